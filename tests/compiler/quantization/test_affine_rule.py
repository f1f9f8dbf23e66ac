"""The rule from a range to scale and zero point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.importer.qdq_plan import STORED_RANGE
from compiler.quantization.affine import affine_of, round_trip
from hardware_profiles.schema import Activations

numbers = st.floats(-1e4, 1e4, width=32)


@pytest.mark.parametrize(
    ("activations", "bits", "low", "high", "want"),
    [
        pytest.param(Activations.UINT8, 8, 0.0, 255.0, (1.0, 0, "uint8"), id="uint8-positive"),
        pytest.param(Activations.UINT8, 8, -128.0, 127.0, (1.0, 128, "uint8"), id="uint8"),
        pytest.param(Activations.UINT8, 7, 0.0, 127.0, (1.0, 0, "uint8"), id="seven-bits"),
        pytest.param(Activations.INT8_ASYMMETRIC, 8, 0.0, 255.0, (1.0, -128, "int8"), id="int8-asymmetric"),
        pytest.param(Activations.INT8, 8, -254.0, 10.0, (2.0, 0, "int8"), id="int8"),
        pytest.param(Activations.UINT16, 8, 0.0, 65535.0, (1.0, 0, "uint16"), id="uint16"),
        pytest.param(Activations.INT16, 8, -32767.0, 2.0, (1.0, 0, "int16"), id="int16"),
        pytest.param(Activations.UINT8, 8, 2.0, 255.0, (1.0, 0, "uint8"), id="widened-to-zero"),
        pytest.param(Activations.UINT8, 8, 0.0, 0.0, (1.0, 0, "uint8"), id="nothing-but-zero"),
    ],
)
def test_rule(activations: Activations, bits: int, low: float, high: float, want: tuple[float, int, str]) -> None:
    found = affine_of(low, high, activations, bits)
    assert (found.scale, found.zero_point, found.dtype) == want


@settings(deadline=None, derandomize=True)
@given(numbers, numbers, st.sampled_from(Activations), st.sampled_from((7, 8)))
def test_what_lies_in_the_range_errs_by_half_a_step(a: float, b: float, activations: Activations, bits: int) -> None:
    low, high = min(a, b), max(a, b)
    bits = bits if activations is Activations.UINT8 else 8
    affine = affine_of(low, high, activations, bits)
    values = np.linspace(low, high, 101, dtype=np.float32)
    got = round_trip(values, affine)
    # the zero point is rounded too, so an end of the range may lie half a step outside
    assert np.abs(got - values).max() <= affine.scale * (1.0 + 1e-3)
    assert round_trip(np.zeros(1, np.float32), affine)[0] == 0.0
    first, last = STORED_RANGE[affine.dtype]
    assert first <= affine.zero_point <= last


@settings(deadline=None, derandomize=True)
@given(numbers, numbers, st.sampled_from(Activations))
def test_storing_twice_is_storing_once(a: float, b: float, activations: Activations) -> None:
    affine = affine_of(min(a, b), max(a, b), activations)
    once = round_trip(np.linspace(-2e4, 2e4, 257, dtype=np.float32), affine)
    np.testing.assert_array_equal(round_trip(once, affine), once)


def test_seven_bits_saturate_at_127() -> None:
    affine = affine_of(0.0, 127.0, Activations.UINT8, 7)
    assert affine.stored == (0, 127)
    assert round_trip(np.asarray([126.0, 127.0, 255.0]), affine).tolist() == [126.0, 127.0, 127.0]
