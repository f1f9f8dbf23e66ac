from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import msgspec
import pytest
from rich.console import Console, RenderableType

from compiler.compile import CompileResult
from compiler.metrics.text import interval_text
from compiler.recompute import recompute
from compiler.report_html import render_html
from compiler.report_json import report, report_bytes
from compiler.report_table import passes_table, recompute_table, variants_table
from tests.compiler.models import DIGITS, verified


def _text(table: RenderableType, width: int = 220) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_table_shows_every_figure(digits: CompileResult) -> None:
    text = _text(variants_table(digits))
    for variant in digits.variants:
        line = next(line for line in text.splitlines() if line.split()[:1] == [variant.proof.profile])
        assert f"{variant.proof.accuracy.value:.2%}".replace("%", " %") in line
        assert variant.proof.latency
        assert f"{variant.proof.latency.p99_us:.1f}" in line
        assert variant.proof.variant_digest[7:19] in line


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_figure_is_broken_in_a_narrow_terminal(digits: CompileResult, width: int) -> None:
    text = _text(variants_table(digits), width)
    assert max(map(len, text.splitlines())) <= width
    for variant in digits.variants:
        lines = " ".join(line for line in text.splitlines() if line.split()[:1] == [variant.proof.profile])
        assert variant.proof.latency
        latency = f"{variant.proof.latency.p99_us:.1f}"
        for figure in (interval_text(variant.proof.accuracy), variant.proof.variant_digest[7:19], latency):
            assert figure in lines


def test_the_table_of_passes_shows_changes(digits: CompileResult) -> None:
    text = _text(passes_table(digits))
    assert "import" in text
    assert "quantize" in text
    assert "QuantizeLinear" in text


def test_the_recompute_table(digits: CompileResult) -> None:
    rows = recompute(verified(digits.bundle_dir), DIGITS / "evaluation.npz")
    text = _text(recompute_table(rows))
    assert "equal" in text
    assert "not measured" in text
    wrong = replace(rows[1], recomputed=1, ok=False)
    assert "DIFFERS" in _text(recompute_table((wrong,)))


def test_json_round_trips(digits: CompileResult) -> None:
    found = json.loads(report_bytes(digits))
    assert found == json.loads(json.dumps(report(digits)))
    assert found["bundle_digest"] == digits.bundle_digest
    assert [v["proof"]["accuracy"]["correct"] for v in found["variants"]] == [
        v.proof.accuracy.correct for v in digits.variants
    ]
    assert found["variants"][1]["drop"] == digits.reference.value - digits.variants[1].proof.accuracy.value


class _Page(HTMLParser):
    """Collects tags and whatever could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_the_page_is_self_contained(digits: CompileResult) -> None:
    page = render_html(digits)
    found = _Page()
    found.feed(page)
    assert found.tags.count("svg") == 4
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert all(target.startswith("#") for target in found.loads)
    assert "url(http" not in page
    assert render_html(digits) == page
    assert "prefers-color-scheme: dark" in page


def test_drawings_are_well_formed_and_follow_the_page_colours(digits: CompileResult) -> None:
    drawings = re.findall(r"<svg .*?</svg>", render_html(digits), re.DOTALL)
    assert len(drawings) == 4
    for drawing in drawings:
        assert ET.fromstring(drawing).attrib["role"] == "img"
        assert "var(--ink)" in drawing
        assert "#010203" not in drawing
    assert "ink-heavy" in drawings[3]


def test_names_cannot_inject_markup(digits: CompileResult) -> None:
    """Slice names come from a data file; they are escaped in text and in drawings."""
    nasty = "<script>alert(1)</script> $x^2$"
    variants = tuple(
        replace(v, proof=msgspec.structs.replace(v.proof, slices={nasty: v.proof.accuracy})) for v in digits.variants
    )
    page = render_html(replace(digits, variants=variants))
    assert "<script>" not in page
    assert "$x^2$" in page


def test_a_report_without_slices(digits: CompileResult) -> None:
    variants = tuple(replace(v, proof=msgspec.structs.replace(v.proof, slices={})) for v in digits.variants)
    assert render_html(replace(digits, variants=variants)).count("<svg ") == 3
