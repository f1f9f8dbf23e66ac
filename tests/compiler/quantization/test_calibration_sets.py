"""Calibration sets that say nothing, and values that are no numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.quantization.inputs import MIN_SAMPLES, check_inputs
from compiler.quantization.observe import MAX_KEPT_ROWS, observe
from edge_bundle.errors import InvalidInputError
from tests.compiler.quantization.graphs import network, samples


def varied(rows: int = 9) -> NDArray[np.float32]:
    return np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        pytest.param(
            {"x": varied(MIN_SAMPLES - 1)}, rf"x: expected at least {MIN_SAMPLES} calibration samples, got 3", id="few"
        ),
        pytest.param({"x": np.zeros((9, 4), np.float32)}, "x: .* got the number 0 throughout", id="zeros"),
        pytest.param({"x": np.tile(varied(1), (9, 1))}, "x: expected samples that differ, got the same", id="same"),
        pytest.param(
            {"x": np.ones((9, 4), np.float32), "size": np.arange(9)}, "x: .* got the number 1", id="integers-vary"
        ),
    ],
)
def test_refused(arrays: dict[str, NDArray[np.generic]], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text) as refusal:
        check_inputs(arrays, len(next(iter(arrays.values()))), file="calibration.npz")
    assert refusal.value.advice


@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param({"x": varied()}, id="plain"),
        pytest.param({"mask": np.ones((9, 4), np.float32), "x": varied()}, id="one-constant-of-two"),
        pytest.param({"tokens": np.arange(9).reshape(9, 1)}, id="integers-only"),
    ],
)
def test_taken(arrays: dict[str, NDArray[np.generic]]) -> None:
    check_inputs(arrays, 9, file="calibration.npz")


def test_infinite_values_name_the_tensor() -> None:
    rows = samples(2)
    bad = {"x": np.full((1, 3, 8, 8), 3e38, np.float32)}
    with pytest.raises(InvalidInputError, match=r"calibration: (x|c1|a1).*sample 2"):
        observe(network(activation="Relu"), [*rows, bad])


def test_kept_samples_are_spread_over_all() -> None:
    graph = network()
    seen = observe(graph, samples(3 * MAX_KEPT_ROWS))
    assert seen.samples == 3 * MAX_KEPT_ROWS
    assert len(seen.rows) == MAX_KEPT_ROWS
    assert set(seen.tensors) >= {"x", "a1", "s", "y"}
    assert seen.patches["first"].shape[1:] == (1, 27)
    assert seen.patches["depthwise"].shape[1:] == (8, 9)
