"""Quantization outside integer kernels: against ONNX Runtime, ties and the ends of ranges included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto  # noqa: TID251

from edge_bundle.errors import UnsupportedOperatorError
from tests.wasm.ops.one_node import Case, Fixed, Input, floats, integers, table

Array = NDArray[Any]

TIES = np.concatenate([np.arange(-300, 300) * 0.25, [np.inf, -np.inf, 1e30, -1e30]]).astype(np.float32)
"""Quarters with a scale of a half: every second one is a tie."""

CODES: dict[type, int] = {
    np.int8: TensorProto.INT8, np.uint8: TensorProto.UINT8, np.int16: TensorProto.INT16, np.uint16: TensorProto.UINT16,
}  # fmt: skip


@pytest.mark.parametrize("dtype", CODES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("zero", [0, 5, 127])
@pytest.mark.parametrize("constant", [True, False], ids=["constants", "data"])
def test_ties_and_ends(dtype: type, zero: int, constant: bool) -> None:
    point: Array = np.array(zero, dtype)
    inputs: list[Input] = [TIES, np.array(0.5, np.float32), point]
    if constant:
        inputs[1:] = [Fixed(np.array(0.5, np.float32)), Fixed(point)]
    case = Case(name="q", op="QuantizeLinear", inputs=inputs, outputs=[CODES[dtype]], opset=21)
    case.check()


def test_nan_is_the_lowest_integer() -> None:
    x = np.array([np.nan, 1.0], np.float32)
    inputs: list[Input] = [x, Fixed(np.array(0.5, np.float32)), Fixed(np.array(3, np.int8))]
    (got,) = Case(name="q", op="QuantizeLinear", inputs=inputs, outputs=[TensorProto.INT8], opset=21).run()
    assert got.tolist() == [-128, 5]


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_there_and_back(data: st.DataObject) -> None:
    """Per tensor, per axis, per block; against the formula in float32."""
    dtype = data.draw(st.sampled_from(list(CODES)))
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    axis, blocks = data.draw(st.integers(0, len(shape) - 1)), data.draw(st.integers(1, 3))
    shape = (*shape[:axis], shape[axis] * blocks, *shape[axis + 1 :])
    kind = data.draw(st.sampled_from(["tensor", "axis", "block"]))
    full = (*shape[:axis], blocks, *shape[axis + 1 :])
    scales_shape = {"tensor": (), "axis": (shape[axis],), "block": full}[kind]
    random = np.random.default_rng(len(shape) + blocks)
    scale = random.uniform(0.01, 0.5, scales_shape).astype(np.float32)
    zero: Array = random.integers(0, 100, scales_shape).astype(dtype)
    x = (random.standard_normal(shape) * 20).astype(np.float32)
    attrs = {"axis": axis} | ({"block_size": shape[axis] // blocks} if kind == "block" else {})
    wide_scale, wide_zero = (_widened(one, shape, axis, kind, shape[axis] // blocks) for one in (scale, zero))
    (stored,) = Case(
        name="q", op="QuantizeLinear", inputs=[x, scale, zero], attrs=attrs, outputs=[CODES[dtype]], opset=21
    ).run()
    limits = np.iinfo(np.dtype(dtype).name)
    wanted = np.clip(np.rint(x / wide_scale) + wide_zero.astype(np.float32), limits.min, limits.max)
    np.testing.assert_array_equal(stored, wanted.astype(dtype))
    (back,) = Case(name="d", op="DequantizeLinear", inputs=[stored, scale, zero], attrs=attrs, opset=21).run()
    whole = stored.astype(np.int32) - wide_zero.astype(np.int32)
    np.testing.assert_array_equal(back, whole.astype(np.float32) * wide_scale)


def _widened(one: Array, shape: tuple[int, ...], axis: int, kind: str, block: int) -> Array:
    """A scale for every element."""
    if kind == "axis":
        one = one.reshape([-1 if index == axis else 1 for index in range(len(shape))])
    elif kind == "block":
        one = np.repeat(one, block, axis=axis)
    return np.broadcast_to(one, shape)


@table(
    Case(name="int32", op="DequantizeLinear", inputs=[integers(-9999, 9999, (33,), np.int32), np.array(0.1, np.float32)]),
    Case(
        name="without zero point", op="QuantizeLinear", inputs=[floats(33) * 60, np.array(0.5, np.float32)],
        outputs=[TensorProto.UINT8],
    ),
    Case(
        name="dynamic", op="DynamicQuantizeLinear", inputs=[floats(5, 37)],
        outputs=[TensorProto.UINT8, TensorProto.FLOAT, TensorProto.UINT8],
    ),
    Case(
        name="dynamic, positive only", op="DynamicQuantizeLinear", inputs=[np.abs(floats(5)) + 3],
        outputs=[TensorProto.UINT8, TensorProto.FLOAT, TensorProto.UINT8],
    ),
    Case(
        name="dynamic, all zero", op="DynamicQuantizeLinear", inputs=[np.zeros(5, np.float32)],
        outputs=[TensorProto.UINT8, TensorProto.FLOAT, TensorProto.UINT8],
    ),
)  # fmt: skip
def test_against_onnx_runtime(case: Case) -> None:
    case.check()


def test_part_of_a_block_is_refused() -> None:
    inputs = [floats(5), np.ones(2, np.float32), np.zeros(2, np.uint8)]
    case = Case(
        name="q", op="QuantizeLinear", inputs=inputs, attrs={"axis": 0, "block_size": 3}, outputs=[TensorProto.UINT8],
        opset=21,
    )  # fmt: skip
    with pytest.raises(UnsupportedOperatorError):
        case.compile()
