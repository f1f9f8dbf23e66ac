"""numpy and plain Python agree on extents and clipping, for every dtype and every odd value."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.serving.extent import bounds, clip_numpy, clip_plain, extent, extent_numpy, extent_plain, integer_limits
from edge_agent.serving.tensor_check import TensorCheck
from edge_bundle.contract import OnViolation
from edge_bundle.errors import ContractViolationError
from edge_bundle.tensor import DType, Tensor
from tests.edge_agent.serving.world import INPUT, floats, fp32, rule

numpy = pytest.importorskip("numpy")

NUMBERS = tuple(dtype for dtype in DType if dtype is not DType.BOOL)


def elements(dtype: DType) -> st.SearchStrategy[Any]:
    if dtype is DType.BOOL:
        return st.booleans()
    if dtype.is_float:
        return st.floats(width=8 * dtype.itemsize)  # type: ignore[arg-type]
    low, high = integer_limits(dtype)
    return st.integers(low, high)


@st.composite
def tensors(draw: st.DrawFn, dtypes: tuple[DType, ...] = tuple(DType)) -> Tensor:
    dtype = draw(st.sampled_from(dtypes))
    values = draw(st.lists(elements(dtype), max_size=40))
    return Tensor(dtype, (len(values),), struct.pack(f"<{len(values)}{dtype.struct_code}", *values))


@settings(deadline=None)
@given(tensor=tensors())
def test_extents_agree(tensor: Tensor) -> None:
    assert extent_numpy(tensor, numpy) == extent_plain(tensor) == extent(tensor)


@settings(deadline=None)
@given(tensor=tensors(NUMBERS), minimum=st.none() | st.floats(-1e6, 1e6), width=st.none() | st.floats(0, 1e6))
def test_clipping_agrees_and_ends_inside(tensor: Tensor, minimum: float | None, width: float | None) -> None:
    maximum = None if width is None else (minimum or 0.0) + width
    low, high = bounds(tensor.dtype, minimum, maximum)
    if low > high:  # no integer lies inside; such a contract clips to nothing sensible
        return
    clipped = clip_plain(tensor, low, high)
    assert clipped.data == clip_numpy(tensor, low, high, numpy).data or extent(tensor).has_nan
    found = extent_plain(clipped)
    if found.smallest <= found.largest:
        assert low <= found.smallest
        assert found.largest <= high


@pytest.mark.parametrize(
    ("dtype", "minimum", "maximum", "expected"),
    [
        pytest.param(DType.FP32, 0.1, 0.1, (0.10000000149011612,) * 2, id="fp32-nearest"),
        pytest.param(DType.FP16, None, 1e6, (-math.inf, math.inf), id="beyond-fp16"),
        pytest.param(DType.FP64, 0.1, None, (0.1, math.inf), id="fp64-as-written"),
        pytest.param(DType.INT8, -0.5, 3.7, (0, 3), id="whole-numbers-inside"),
        pytest.param(DType.UINT8, -5.0, 300.0, (-math.inf, math.inf), id="nothing-to-compare"),
        pytest.param(DType.INT64, -(2.0**63), 2.0**53, (-math.inf, 2**53), id="int64"),
    ],
)
def test_bounds_as_the_dtype_holds_them(
    dtype: DType, minimum: float | None, maximum: float | None, expected: tuple[float, float]
) -> None:
    assert bounds(dtype, minimum, maximum) == expected


def test_the_fp32_value_of_a_bound_is_inside() -> None:
    check = TensorCheck(rule(minimum=0.0, maximum=0.1), "input", max_batch=1)
    tensor, mark = check.check_values(fp32([0.1, 0.0, 0.0, 0.1]))
    assert mark is None
    assert floats(tensor)[0] > 0.1
    with pytest.raises(ContractViolationError, match=r"\[0, 0.2\]"):
        check.check_values(fp32([0.2, 0.0, 0.0, 0.0]))


@pytest.mark.parametrize("mode", OnViolation)
def test_allowed_nan_is_no_violation(mode: OnViolation) -> None:
    check = TensorCheck(rule(maximum=1.0, allow_nan=True, on_violation=mode), "input", max_batch=1)
    assert check.check_values(fp32([math.nan, 1.0, 0.0, -5.0]))[1] is None
    assert check.name == INPUT


def test_serving_starts_without_numpy() -> None:
    """The import of the whole application must not bring numpy in."""
    code = "import sys, edge_agent.serving.app, edge_agent.telemetry.uploader; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
