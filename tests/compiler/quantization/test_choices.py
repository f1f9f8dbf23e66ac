"""What is chosen has to be better beyond doubt; inputs on a grid are stored exactly."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.quantization.affine import affine_of, round_trip
from compiler.quantization.grid import grid_range
from compiler.quantization.trial import Worth
from hardware_profiles.schema import Activations

UINT8 = partial(affine_of, activations=Activations.UINT8)


def worth(noise: NDArray[np.float64]) -> Worth:
    return Worth(noise[None])


@pytest.mark.parametrize(
    ("better", "want"),
    [
        pytest.param(np.full(40, 0.5), True, id="every-sample-gains"),
        pytest.param(np.where(np.arange(40) == 0, 0.0, 1.0) * np.where(np.arange(40) == 1, 0.0, 1.0), False, id="two"),
        pytest.param(np.full(40, 0.995), False, id="next-to-nothing"),
        pytest.param(np.ones(40), False, id="the-same"),
    ],
)
def test_a_gain_has_to_be_sure(better: NDArray[np.float64], want: bool) -> None:
    assert worth(better * 1e-3).beats(worth(np.full(40, 1e-3)), 0.1) is want


def test_decibels() -> None:
    assert worth(np.full(10, 1e-4)).mean == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("scale", "zero", "seen"),
    [
        pytest.param(1.0, 0, (0, 255), id="bytes"),
        pytest.param(1.0, 0, (3, 180), id="no-full-brightness"),
        pytest.param(0.00784314, 127, (9, 240), id="centred"),
        pytest.param(0.5847029, 83, (40, 127), id="features"),
    ],
)
def test_bytes_of_a_sensor_stay_exact(scale: float, zero: int, seen: tuple[int, int]) -> None:
    """Also beyond what was seen, as long as the grid's range holds it."""
    stored = np.random.default_rng(1).integers(seen[0], seen[1] + 1, (20, 300))
    arrays = [((row - zero) * np.float32(scale)).astype(np.float32) for row in stored]
    found = grid_range(arrays, UINT8)
    assert found is not None
    affine = UINT8(*found)
    np.testing.assert_allclose(round_trip(np.stack(arrays), affine), np.stack(arrays), rtol=1e-5, atol=1e-5)
    assert affine.scale == pytest.approx(scale, rel=1e-5)


@pytest.mark.parametrize(
    ("array", "activations"),
    [
        pytest.param(np.linspace(-1, 1, 999, dtype=np.float32) ** 3, Activations.UINT8, id="no-grid"),
        pytest.param(np.arange(4, dtype=np.float32), Activations.UINT8, id="few-values"),
        pytest.param(np.arange(300, dtype=np.float32), Activations.UINT8, id="more-than-a-byte"),
        pytest.param(np.arange(100, 140, dtype=np.float32) + 300, Activations.UINT8, id="far-from-zero"),
        pytest.param(np.arange(256, dtype=np.float32), Activations.INT8, id="symmetric-holds-no-byte"),
    ],
)
def test_no_grid(array: NDArray[np.float32], activations: Activations) -> None:
    assert grid_range([array], partial(affine_of, activations=activations)) is None
