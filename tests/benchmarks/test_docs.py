"""The generator of ``docs/wasm.md``: parts between markers, tables, and the errors of elementary functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.errors import worst_error
from benchmarks.accuracy.functions import FUNCTIONS
from benchmarks.docs.measured import measured_parts
from benchmarks.docs.page import part_of, with_parts
from benchmarks.docs.static import dtypes_in_words
from benchmarks.docs.tables import table
from compiler.wasm.ops.table import TABLE
from edge_bundle.tensor import DType

EMPTY = "a\n<!-- one: begin -->\n<!-- one: end -->\nb\n<!-- two: begin -->\nold\n<!-- two: end -->\n"


def test_a_part_is_put_between_its_markers_and_read_back() -> None:
    page = with_parts(EMPTY, {"one": "text\n", "two": "\nnew"})
    assert page == EMPTY.replace("one: begin -->\n", "one: begin -->\ntext\n").replace("old", "new")
    assert (part_of(page, "one"), part_of(page, "two")) == ("text\n", "new\n")
    assert with_parts(page, {"one": "text", "two": "new"}) == page


@pytest.mark.parametrize("name", ["three", "two: begin -->\nold"], ids=["no markers", "not a name"])
def test_a_part_without_markers_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected the markers"):
        with_parts(EMPTY, {name: ""})


def test_markers_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the markers"):
        part_of(EMPTY + EMPTY, "one")


def test_tables() -> None:
    assert table(("a", "b#"), [("x|y", "1"), ("", "2\n3")]) == "| a | b |\n|---|---:|\n| x\\|y | 1 |\n| | 2 3 |\n"


@pytest.mark.parametrize(
    ("dtypes", "words"),
    [
        pytest.param(set(DType), "any", id="all"),
        pytest.param(set(DType) - {DType.FP16, DType.BOOL}, "float32, integers", id="numbers"),
        pytest.param({DType.UINT8, DType.INT8, DType.FP64}, "int8, uint8", id="some integers"),
        pytest.param({DType.FP64, DType.FP32}, "float32", id="floats"),
    ],
)
def test_dtypes(dtypes: set[DType], words: str) -> None:
    assert dtypes_in_words(dtypes) == words


def test_missing_measurements_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "conformance.md").write_text("table\n")
    assert measured_parts(tmp_path) == {"conformance": "Made by `make conformance`.\n\ntable\n"}


@pytest.mark.parametrize("operator", FUNCTIONS)
def test_every_function_is_within_two_units(operator: str) -> None:
    assert operator in TABLE
    found = worst_error(operator, FUNCTIONS[operator], step=100_003)
    assert found.ulp <= 2.0
    assert found.inputs > 10_000


def test_a_wrong_function_is_seen() -> None:
    assert worst_error("Tanh", lambda x: np.tanh(x) * (1 + 1e-6), step=1_000_003).ulp > 8
