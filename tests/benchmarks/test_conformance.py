"""The conformance run: what counts as equal, which inputs are bound, and what the report makes of verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.conformance.bound_inputs import bound_names
from benchmarks.conformance.compare import difference
from benchmarks.conformance.report import markdown, refused, rows
from benchmarks.conformance.run import run_cases
from benchmarks.conformance.verdict import Outcome, Verdict

NAN, INF = float("nan"), float("inf")


def _f4(*values: float) -> NDArray[Any]:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("expected", "got", "words"),
    [
        pytest.param(_f4(1, 2), _f4(1, 2), "", id="equal"),
        pytest.param(_f4(1, 1000), _f4(1, 1000.9), "", id="within-rtol"),
        pytest.param(_f4(0), _f4(1e-8), "", id="within-atol"),
        pytest.param(_f4(NAN, INF, -INF), _f4(NAN, INF, -INF), "", id="not-finite"),
        pytest.param(np.array([1 / 3]), _f4(1 / 3), "expected float64, got float32", id="float64-keeps-its-dtype"),
        pytest.param(
            _f4(1, 1000), _f4(1, 1002), "1 of 2 elements differ; at [1] expected 1000.0, got 1002.0", id="beyond-rtol"
        ),
        pytest.param(_f4(INF), _f4(3e38), "1 of 1 elements differ; at [0] expected inf, got 3e+38", id="infinity"),
        pytest.param(_f4(1), _f4(NAN), "1 of 1 elements differ; at [0] expected 1.0, got nan", id="nan"),
        pytest.param(_f4(1, 2), _f4(1), "expected shape [2], got [1]", id="shape"),
        pytest.param(_f4(1), np.array([1]), "expected float32, got int64", id="dtype"),
        pytest.param(
            np.array([10**6]),
            np.array([10**6 + 1]),
            "1 of 1 elements differ; at [0] expected 1000000, got 1000001",
            id="integers-are-exact",
        ),
        pytest.param(np.zeros((0, 3)), np.zeros((0, 3)), "", id="empty"),
    ],
)
def test_difference(expected: NDArray[Any], got: NDArray[Any], words: str) -> None:
    assert difference(expected, got, rtol=1e-3, atol=1e-7) == words


@pytest.mark.parametrize(
    ("nodes", "bound"),
    [
        pytest.param([("Reshape", ("a", "b"))], {"b"}, id="shape"),
        pytest.param([("Add", ("a", "b"))], set(), id="data"),
        pytest.param([("Pad", ("a", "b", "c", "d"))], {"b", "d"}, id="value-stays-data"),
        pytest.param([("Resize", ("a", "", "b"))], {"b"}, id="left-out"),
        pytest.param([("ReduceSum", ("a",))], set(), id="absent"),
        pytest.param([("Slice", ("a", "inner", "b"))], {"b"}, id="only-graph-inputs"),
    ],
)
def test_bound_inputs(nodes: list[tuple[str, tuple[str, ...]]], bound: set[str]) -> None:
    assert bound_names(nodes, ["a", "b", "c", "d"]) == bound


VERDICTS = [
    Verdict(case="test_a", outcome=Outcome.PASSED, operator="Abs"),
    Verdict(case="test_b", outcome=Outcome.REFUSED, operator="Det", reason="no | kernel"),
    Verdict(case="test_c", outcome=Outcome.REFUSED, operator="Det", reason="no | kernel"),
    Verdict(case="test_d", outcome=Outcome.REFUSED, operator="Det", reason="no\ntime"),
    Verdict(case="test_e", outcome=Outcome.WRONG, operator="Abs", reason="y: 1 of 1 elements differ"),
    Verdict(case="test_f", outcome=Outcome.SKIPPED_DTYPE, operator="Abs", reason="float16"),
]


def test_rows() -> None:
    found = {row.name: row for row in rows(VERDICTS)}
    assert {name: row.value for name, row in found.items()} == {
        "passed": 1,
        "refused": 3,
        "wrong": 1,
        "skipped_dtype": 1,
        "refused/Det": 3,
    }
    assert found["refused/Det"].unit == "cases: no\ntime; no | kernel"
    assert (found["passed"].ok, found["wrong"].ok) == (False, False)


def test_markdown_lists_refused_operators() -> None:
    assert [one.cases for one in refused(VERDICTS)] == [3]
    assert markdown(VERDICTS, onnx_version="1.2").splitlines() == [
        "6 direct node tests of onnx 1.2: 1 passed, 3 refused, 1 wrong, 1 skipped_dtype.",
        "",
        "| operator | passed | refused | why |",
        "|---|---:|---:|---|",
        "| Det | 0 | 3 | no time; no \\| kernel |",
    ]


def test_a_few_cases_from_end_to_end() -> None:
    started: list[int] = []
    seen: list[Verdict] = []
    verdicts = run_cases(
        "^test_(reshape_one_dim|image_decoder_decode_png_rgb|string_concat)$", started.append, seen.append
    )
    assert started == [3]
    assert sorted(seen, key=lambda one: one.case) == verdicts
    assert {one.case: (one.operator, one.outcome) for one in verdicts} == {
        "test_image_decoder_decode_png_rgb": ("ImageDecoder", Outcome.REFUSED),
        "test_reshape_one_dim": ("Reshape", Outcome.PASSED),
        "test_string_concat": ("StringConcat", Outcome.SKIPPED_DTYPE),
    }
