"""Names from models, data sets and signed proofs reach a terminal as words: no cursor moves, no colours, no markup."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console, RenderableType

from compiler.compile import CompileResult
from compiler.dataset import load_evaluation
from compiler.recomputing.recomputed import Row
from compiler.recomputing.table import recompute_tables
from compiler.reports.tables import notes_tables
from edge_bundle.contract import TensorRule
from edge_bundle.errors import InvalidInputError
from edge_bundle.proof import KeptLayer, QuantizationProof
from edge_bundle.tensor import DType

EVIL = "\x1b]0;owned\x07\x1b[2J\u202e[red]x[/y]"


def _shown(table: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def _is_plain(text: str) -> bool:
    return "owned" in text and "[red]x" in text and not any(one in text for one in "\x1b\x07\u202e")


def test_a_recomputed_figure() -> None:
    row = Row(profile=EVIL, figure=EVIL, signed="[/y]", recomputed="[/z]", ok=False, note=EVIL)
    assert _is_plain(_shown(recompute_tables((row,))))


def test_a_layer_and_a_slice(digits: CompileResult) -> None:
    first = digits.variants[0]
    kept = KeptLayer(layer=EVIL, operator="Conv", precision="float", reason=EVIL)
    quantization = QuantizationProof(
        scheme="int8", quantized=1, kept=(kept,), calibration_digest="sha256:0", calibration_samples=1
    )
    proof = msgspec.structs.replace(
        first.proof, quantization=quantization, slices={EVIL: first.proof.accuracy, "[/none]": first.proof.accuracy}
    )
    shown = _shown(notes_tables(replace(digits, variants=(replace(first, proof=proof),))))
    assert _is_plain(shown)
    assert "[/none]" in shown


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "\u202e", "\ud800"])
def test_a_slice_is_named_by_characters_that_print(tmp_path: Path, name: str) -> None:
    """A half of a character could not even be signed: all the work would be lost."""
    path = tmp_path / "evaluation.npz"
    np.savez(path, x=np.zeros((2, 1), np.float32), labels=np.zeros(2, np.int64), slice=np.array(["day", name]))
    with pytest.raises(InvalidInputError, match="slice: expected names of characters that print, got '") as refusal:
        load_evaluation(path, [TensorRule(name="x", dtype=DType.FP32, shape=(-1, 1))])
    assert str(refusal.value).isprintable()
