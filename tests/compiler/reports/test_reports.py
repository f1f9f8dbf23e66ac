from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from rich.console import Console, RenderableType

from compiler.compilation import Refusal
from compiler.compile import CompileResult, VariantResult
from compiler.measuring.race import Entrant, Race
from compiler.metrics.text import interval_text
from compiler.quantized import Layer, Quantized
from compiler.reports.data import report
from compiler.reports.page import render_html
from compiler.reports.proof_text import execution_text, latency_texts, sqnr_text
from compiler.reports.tables import notes_tables, passes_table, variants_table
from edge_bundle.contract import Metric
from edge_bundle.errors import DeviceMissingError
from edge_bundle.manifest import Precision
from edge_bundle.proof import EstimateProof, Execution, KeptLayer, MeasuredOn, PlacementProof, QuantizationProof
from hardware_profiles.loader import load_profile


def _text(table: RenderableType, width: int = 220) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def _with(variant: VariantResult, **changes: Any) -> VariantResult:
    return replace(variant, proof=msgspec.structs.replace(variant.proof, **changes))


def _elsewhere(digits: CompileResult) -> CompileResult:
    """The result as if its first variant had run in an emulator and its second nowhere, with all there is to tell."""
    first, second, *others = digits.variants

    def on(variant: VariantResult, execution: Execution) -> MeasuredOn:
        return msgspec.structs.replace(variant.proof.measured_on, execution=execution)

    kept = KeptLayer(layer="[first]", operator="Conv", precision="float", reason="drop of 3 points")
    quantization = QuantizationProof(
        scheme="uint8 x int8", quantized=2, kept=(kept,), calibration_digest="sha256:0", calibration_samples=9
    )
    emulated = _with(
        first, latency=None, measured_on=on(first, Execution.EMULATOR), quantization=quantization,
        placement=PlacementProof(device="htp-v73", nodes=27, on_device=26, elsewhere=("Softmax <s>",)),
    )  # fmt: skip
    nowhere = _with(
        second, latency=None, measured_on=on(second, Execution.STAND_IN), paired=None,
        placement=PlacementProof(device="npu", nodes=9, on_device=9),
        estimate=EstimateProof(tool="vela", latency_us=1235.2, cycles=99, sram_bytes=2048, flash_bytes=4096),
    )  # fmt: skip
    refusal = Refusal(
        profile=load_profile("openvino-npu"),
        stage="lower",
        error=DeviceMissingError(runtime="openvino", expected="NPU", got="CPU", advice="plug <one> in"),
    )
    entrants = (
        Entrant(runtime="onnxruntime", precision=Precision.INT8, p50_us=9.0, behind=1.0, won=True),
        Entrant(runtime="wasm", precision=Precision.INT8, p50_us=13.5, behind=1.5),
        Entrant(runtime="openvino", precision=Precision.INT8, refusal="no room"),
    )
    races = (Race(profile=others[0].proof.profile, field=entrants),)
    return replace(digits, variants=(emulated, nowhere, *others), refused=(refusal,), races=races)


def test_the_table_shows_every_figure(digits: CompileResult) -> None:
    text = _text(variants_table(digits))
    for variant in digits.variants:
        line = next(line for line in text.splitlines() if line.split()[:1] == [variant.proof.profile])
        assert f"{variant.proof.accuracy.value:.2%}".replace("%", " %") in line
        assert variant.proof.latency
        assert f"{variant.proof.latency.p90_us:,.1f}" in line
        assert f"{variant.proof.latency.p99_us:,.1f}" in line
        assert variant.proof.variant_digest[7:19] in line
        assert variant.proof.paired
        assert f", p {variant.proof.paired.p_value:.2g}" in line
        assert sqnr_text(variant.proof.agreement) in line


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_figure_is_broken_in_a_narrow_terminal(digits: CompileResult, width: int) -> None:
    for result in (digits, _elsewhere(digits)):
        text = _text(variants_table(result), width)
        assert max(map(len, text.splitlines())) <= width
        for variant in result.variants:
            lines = " ".join(line for line in text.splitlines() if line.split()[:1] == [variant.proof.profile])
            figures = (
                interval_text(variant.proof.accuracy), variant.proof.variant_digest[7:19],
                *latency_texts(variant.proof), execution_text(variant.proof), sqnr_text(variant.proof.agreement),
            )  # fmt: skip
            for figure in figures:
                assert figure in lines


def test_the_table_says_what_was_not_measured(digits: CompileResult) -> None:
    """Of an emulated and a compile-only variant, latency is not shown, but where the nodes run is."""
    text = _text(variants_table(_elsewhere(digits)))
    emulated, compiled_only = (line for line in text.splitlines() if "htp" in line or "npu" in line)
    assert "26/27 htp-v73" in emulated
    assert "emulated" in emulated
    assert "est. 1,235" in compiled_only
    assert "compile-only" in compiled_only


def test_tables_of_whatever_else_there_is(digits: CompileResult) -> None:
    text = _text(notes_tables(_elsewhere(digits)))
    for words in (
        "accuracy by slice", "ink-heavy", "refused", "device: expected NPU, got CPU [DeviceMissingError]", "lower",
        "layers kept in more bits", "Conv [first]", "drop of 3 points", "races", "won", "1.50x", "no room",
    ):  # fmt: skip
        assert words in text
    short = _text(notes_tables(_elsewhere(digits)), 40)
    assert "slice" in short


def test_no_table_without_rows(digits: CompileResult) -> None:
    variants = tuple(_with(variant, slices={}, quantization=None) for variant in digits.variants)
    assert _text(notes_tables(replace(digits, variants=variants))).strip() == ""


def test_the_table_of_passes_shows_changes(digits: CompileResult) -> None:
    text = _text(passes_table(digits))
    assert "import" in text
    assert "quantize" in text
    assert "QuantizeLinear" in text


def test_json_round_trips(digits: CompileResult) -> None:
    found = json.loads(json.dumps(report(digits)))
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
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert all(target.startswith("#") for target in found.loads)
    assert "url(http" not in page
    assert render_html(digits) == page
    assert "prefers-color-scheme: dark" in page


TITLES = ["Accuracy, latency, size", "Accuracy", "Latency", "Artifact size", "Accuracy by slice"]


def _titles(result: CompileResult) -> list[str]:
    return re.findall(r"<figcaption><strong>(.*?)</strong>", render_html(result))


def _layered(digits: CompileResult, layers: int = 3) -> CompileResult:
    """The result with one scheme whose layers were measured; every third is kept."""
    scheme = digits.quantized[0]
    rows = tuple(
        Layer(
            name=f"a/name/that/is/too/long/for/the/plot/layer{index}", operator="Conv", precision="float" if index % 3 == 2 else "int8",
            sqnr_db=30.0 - index, kept=index % 3 == 2,
        )
        for index in range(layers)
    )  # fmt: skip
    return replace(digits, quantized=(replace(scheme, layers=rows), *(_bare(one) for one in digits.quantized[1:])))


def _bare(one: Quantized) -> Quantized:
    return replace(one, layers=())


def test_a_plot_for_everything_there_is(digits: CompileResult) -> None:
    assert _titles(digits)[:5] == TITLES
    layered = _layered(digits)
    one = layered.quantized[0]
    assert _titles(layered) == [*TITLES, f"Error by layer, {one.scheme}: {', '.join(one.profiles)}"]
    page = render_html(layered)
    assert "3 layers, 1 kept in higher precision" in page
    assert "../is/too/long/for/the/plot/layer2" in page
    assert "28.0  float" in page
    assert len(_titles(_layered(digits, layers=60))) == 6


def test_schemes_that_differ_in_what_they_fall_back_to_are_told_apart(digits: CompileResult) -> None:
    """Of the same layers one plot, for all profiles that are in the bundle."""
    one = replace(_layered(digits).quantized[0], profiles=("cpu-int8", "refused"))
    other = replace(one, layers=one.layers[:2], profiles=("wasm-simd128-int8",))
    result = replace(digits, quantized=(one, replace(one, profiles=("openvino-int8",)), other))
    assert [title.partition(": ")[2] for title in _titles(result)[5:]] == [
        "cpu-int8, openvino-int8",
        "wasm-simd128-int8",
    ]


@pytest.mark.parametrize(("metric", "way"), [(Metric.TOP1, "Up"), (Metric.MAE, "Down")])
def test_the_plot_says_which_way_is_better(digits: CompileResult, metric: Metric, way: str) -> None:
    variants = tuple(
        _with(variant, accuracy=msgspec.structs.replace(variant.proof.accuracy, metric=metric))
        for variant in digits.variants
    )
    assert f"{way} and left is better" in render_html(replace(digits, variants=variants))


def test_nothing_is_drawn_of_what_there_is_not(digits: CompileResult) -> None:
    variants = tuple(_with(variant, slices={}, latency=None) for variant in digits.variants)
    bare = replace(digits, variants=variants, quantized=tuple(_bare(one) for one in digits.quantized))
    assert _titles(bare) == ["Accuracy", "Artifact size"]


def test_drawings_are_well_formed_and_follow_the_page_colours(digits: CompileResult) -> None:
    drawings = re.findall(r"<svg .*?</svg>", render_html(_layered(_elsewhere(digits))), re.DOTALL)
    assert len(drawings) == 6
    for drawing in drawings:
        assert ET.fromstring(drawing).attrib["role"] == "img"
        assert "var(--ink)" in drawing
        assert not re.search(r"#0[1-6]0[2-7]0[3-8]", drawing)
    assert "ink-heavy" in drawings[4]


def test_the_page_tells_what_was_not_measured(digits: CompileResult) -> None:
    page = render_html(_elsewhere(digits))
    missing = digits.variants[0].proof.profile
    assert f"Not drawn, since nothing here runs at the device&#39;s speed: {missing}." in page
    assert "Hollow: expected by the vendor&#39;s compiler, not measured." in page
    for words in (
        "est. 1,235", "emulated", "compile-only", "26/27 htp-v73", "Softmax &lt;s&gt;", "99 cycles", "SRAM 2 KiB",
        "drop of 3 points", "DeviceMissingError", "plug &lt;one&gt; in", "no room", "1.50x", ", 1 refused",
    ):  # fmt: skip
        assert words in page


def test_names_cannot_inject_markup(digits: CompileResult) -> None:
    """Slice names come from a data file; they are escaped in text and in drawings."""
    nasty = "<script>alert(1)</script> $x^2$"
    variants = tuple(_with(variant, slices={nasty: variant.proof.accuracy}) for variant in digits.variants)
    page = render_html(replace(digits, variants=variants))
    assert "<script>" not in page
    assert "$x^2$" in page


def test_json_has_what_the_tables_have(digits: CompileResult) -> None:
    found = json.loads(json.dumps(report(_layered(_elsewhere(digits)))))
    assert found["refused"] == [
        {
            "profile": "openvino-npu", "runtime": "openvino", "precision": "int8", "pass": "lower",
            "error": "DeviceMissingError", "reason": "runtime openvino: device: expected NPU, got CPU",
            "advice": "plug <one> in",
        }
    ]  # fmt: skip
    assert [one["won"] for one in found["races"][0]["field"]] == [True, False, False]
    assert found["quantized"][0]["layers"][2]["kept"]
    assert found["variants"][0]["proof"].get("latency") is None
