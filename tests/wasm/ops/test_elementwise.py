"""Operators by elements: tables of cases against ONNX Runtime, random shapes and dtypes against numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from onnx import TensorProto, helper  # noqa: TID251

from edge_bundle.errors import UnsupportedOperatorError
from tests.wasm.ops.one_node import Case, Fixed, floats, table

Array = NDArray[Any]

ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38, 0.5, 1.5, 2.5, -0.5], np.float32)
WIDE = np.concatenate([floats(91, seed=3) * 4, ODD])
"""Ordinary numbers and all odd ones; 104 of them, so that unrolled loops have a rest."""

SMALL_INTEGERS = (np.int8, np.uint8, np.int16, np.uint16)
INTEGERS = (*SMALL_INTEGERS, np.int32, np.int64)
_FLOAT_UNARY: Mapping[str, Mapping[str, Any]] = {
    "Abs": {}, "Neg": {}, "Sqrt": {}, "Ceil": {}, "Floor": {}, "Round": {}, "Sign": {}, "Reciprocal": {}, "Relu": {},
    "LeakyRelu": {"alpha": 0.3}, "ThresholdedRelu": {"alpha": 0.7}, "Elu": {"alpha": 1.3}, "Selu": {},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4}, "HardSwish": {}, "Sigmoid": {}, "Tanh": {}, "Erf": {}, "Softplus": {},
    "Softsign": {}, "Exp": {}, "Log": {}, "Sin": {}, "Cos": {}, "Tan": {}, "Asin": {}, "Acos": {}, "Atan": {},
    "Sinh": {}, "Cosh": {}, "Asinh": {}, "Acosh": {}, "Atanh": {}, "Shrink": {"lambd": 0.7, "bias": 0.2},
}  # fmt: skip
_UNRULY = frozenset({"Sin", "Cos", "Tan", "Softplus", "HardSwish", "Softsign", "Selu", "Elu"})
"""Where ONNX Runtime is not accurate, or not at odd numbers: held against it for ordinary ones."""


@table(*(
    Case(name=op, op=op, inputs=[floats(3, 35) if op in _UNRULY else WIDE], attrs=attrs, opset=18, rtol=2e-5)
    for op, attrs in _FLOAT_UNARY.items()
))  # fmt: skip
def test_unary_floats(case: Case) -> None:
    case.check()


@table(
    Case(name="gelu", op="Gelu", inputs=[floats(5, 13)], opset=20),
    Case(name="gelu by tanh", op="Gelu", inputs=[floats(5, 13)], attrs={"approximate": "tanh"}, opset=20),
    Case(name="mish", op="Mish", inputs=[floats(5, 13) * 5], opset=18, rtol=2e-5),
    Case(name="celu", op="Celu", inputs=[floats(5, 13)], attrs={"alpha": 0.4}),
    Case(name="prelu", op="PRelu", inputs=[floats(2, 3, 7), floats(3, 1, seed=1)]),
    Case(name="clip", op="Clip", inputs=[WIDE, Fixed(np.array(-1, np.float32)), Fixed(np.array(2, np.float32))]),
    Case(name="clip with data", op="Clip", inputs=[WIDE, np.array(-1, np.float32), np.array(2, np.float32)]),
    Case(name="clip above", op="Clip", inputs=[WIDE, None, Fixed(np.array(0.25, np.float32))]),
    Case(name="clip with crossed limits", op="Clip", inputs=[WIDE, np.array(2, np.float32), np.array(-1, np.float32)]),
    Case(
        name="clip integers", op="Clip", outputs=[TensorProto.INT8],
        inputs=[np.arange(-60, 60, dtype=np.int8), Fixed(np.array(-5, np.int8)), Fixed(np.array(9, np.int8))],
    ),
    Case(name="sum of four", op="Sum", inputs=[floats(3, 5), floats(5), floats(3, 1, seed=2), floats(1, seed=4)]),
    Case(name="mean of three", op="Mean", inputs=[floats(3, 5), floats(3, 5, seed=1), floats(3, 1, seed=2)]),
    Case(name="max of three", op="Max", inputs=[WIDE, floats(104, seed=6), floats(1, seed=8)]),
    Case(name="min of three", op="Min", inputs=[WIDE, floats(104, seed=6), floats(1, seed=8)]),
    Case(name="pow 2", op="Pow", inputs=[WIDE, Fixed(np.array(2, np.float32))]),
    Case(name="pow 3", op="Pow", inputs=[floats(104), Fixed(np.array(3, np.float32))]),
    Case(name="pow -1", op="Pow", inputs=[floats(104), Fixed(np.array(-1, np.float32))]),
    Case(name="pow 0.5", op="Pow", inputs=[WIDE, Fixed(np.array(0.5, np.float32))]),
    Case(name="pow of data", op="Pow", inputs=[np.abs(floats(4, 6)), floats(4, 6, seed=1)]),
    Case(name="pow to integers", op="Pow", inputs=[floats(4, 6), np.arange(-3, 3, dtype=np.int64)], rtol=1e-5),
    Case(name="fmod", op="Mod", inputs=[floats(104) * 50, floats(104, seed=1)], attrs={"fmod": 1}),
    Case(name="infinite", op="IsInf", inputs=[WIDE], outputs=[TensorProto.BOOL]),
    Case(name="below", op="IsInf", inputs=[WIDE], attrs={"detect_positive": 0}, outputs=[TensorProto.BOOL]),
    Case(name="above", op="IsInf", inputs=[WIDE], attrs={"detect_negative": 0}, outputs=[TensorProto.BOOL]),
    Case(
        name="neither", op="IsInf", inputs=[WIDE], attrs={"detect_negative": 0, "detect_positive": 0},
        outputs=[TensorProto.BOOL],
    ),
    Case(name="not a number", op="IsNaN", inputs=[WIDE], outputs=[TensorProto.BOOL]),
)  # fmt: skip
def test_with_attributes_and_more_inputs(case: Case) -> None:
    case.check()


BINARY: Mapping[str, Callable[[Array, Array], Array]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Max": np.maximum, "Min": np.minimum,
    "Equal": np.equal, "Less": np.less, "LessOrEqual": np.less_equal, "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
}  # fmt: skip
_COMPARISONS = frozenset({"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"})
_BITWISE: Mapping[str, Callable[[Array, Array], Array]] = {
    "BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor,
}  # fmt: skip


def _run(op: str, *arrays: Array, out: np.dtype[Any] | type, attrs: Mapping[str, Any] | None = None) -> Array:
    code = helper.np_dtype_to_tensor_dtype(np.dtype(out))
    (got,) = Case(name=op, op=op, inputs=arrays, attrs=attrs or {}, outputs=[code], opset=20).run()
    return got


@settings(deadline=None, max_examples=60)
@given(data=st.data(), op=st.sampled_from(sorted({**BINARY, **_BITWISE})))
def test_broadcasting(data: st.DataObject, op: str) -> None:
    dtype = data.draw(st.sampled_from(INTEGERS if op in _BITWISE else (*INTEGERS, np.float32)))
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=9)).input_shapes
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    a, b = (np.asarray(random.integers(0, 120, shape)).astype(dtype) for shape in shapes)
    with np.errstate(over="ignore"):
        wanted = {**BINARY, **_BITWISE}[op](a, b)
    got = _run(op, a, b, out=wanted.dtype)
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


_DTYPES_OF: Mapping[str, Sequence[type]] = {
    "BitShift": (np.uint8, np.uint16, np.uint32, np.uint64),
    "Pow": (np.int32, np.int64),
}


@settings(deadline=None, max_examples=40)
@given(data=st.data(), op=st.sampled_from(["Div", "Mod", "ModC", "Pow", "BitShift"]))
def test_integers_never_trap(data: st.DataObject, op: str) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(_DTYPES_OF.get(op, (*INTEGERS, np.uint32, np.uint64)))))
    limits = np.iinfo(dtype.name)
    edges = [0, 1, 2, 3, int(limits.max), int(limits.min), max(-1, int(limits.min))]
    values = st.sampled_from(edges) | hnp.from_dtype(dtype).map(int)
    a, b = (np.array(data.draw(st.lists(values, min_size=7, max_size=7)), dtype) for _ in range(2))
    attrs: dict[str, Mapping[str, Any]] = {"ModC": {"fmod": 1}, "BitShift": {"direction": "LEFT"}}
    got = _run(op.removesuffix("C"), a, b, out=dtype, attrs=attrs.get(op))
    wanted = [_exact(op, int(x), int(y), dtype) for x, y in zip(a, b, strict=True)]
    assert got.tolist() == wanted


def _exact(op: str, x: int, y: int, dtype: np.dtype[Any]) -> int:
    """What the operator gives in whole numbers, wrapped to the dtype."""
    bits, low = dtype.itemsize * 8, int(np.iinfo(dtype.name).min)
    if op == "Pow":
        found = pow(x, y, 1 << bits) if y >= 0 else (x**-y if x in (1, -1) else 0)
    elif op == "BitShift":
        found = x << y if y < bits else 0
    elif y == 0:
        found = 0
    elif op == "Mod":
        found = x % y
    else:
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        found = quotient if op == "Div" else x - y * quotient
    return (found - low) % (1 << bits) + low


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic(op: str) -> None:
    a, b = np.random.default_rng(1).integers(0, 2, (2, 37)).astype(bool)
    wanted = {"And": a & b, "Or": a | b, "Xor": a ^ b}[op]
    np.testing.assert_array_equal(_run(op, a, b, out=bool), wanted)


@pytest.mark.parametrize("dtype", [*INTEGERS, np.float32, bool], ids=lambda one: np.dtype(one).name)
def test_selection(dtype: type) -> None:
    random = np.random.default_rng(2)
    mask = random.integers(0, 2, (3, 1, 9)).astype(bool)
    a: Array = random.integers(0, 99, (3, 4, 9)).astype(dtype)
    b: Array = random.integers(0, 99, (4, 1)).astype(dtype)
    np.testing.assert_array_equal(_run("Where", mask, a, b, out=dtype), np.where(mask, a, b))
    np.testing.assert_array_equal(_run("Not", mask, out=bool), ~mask)


_CAST = (*INTEGERS, np.uint32, np.uint64, np.float32, np.float64, bool)


@settings(deadline=None, max_examples=60)
@given(source=st.sampled_from(_CAST), target=st.sampled_from(_CAST), shape=hnp.array_shapes(max_dims=2, max_side=11))
def test_casts(source: type, target: type, shape: tuple[int, ...]) -> None:
    array: Array = np.random.default_rng(4).integers(0, 100, shape).astype(source)
    if np.dtype(source).kind == "f":
        array = (array - 50).astype(source) / source(4) if np.dtype(target).kind in "ifb" else array / source(4)
    if np.dtype(source).kind == "i" and np.dtype(target).kind != "u":
        array = (array - 50).astype(source)
    code = helper.np_dtype_to_tensor_dtype(np.dtype(target))
    got = _run("Cast", array, out=target, attrs={"to": code})
    np.testing.assert_array_equal(got, array.astype(target))


def test_casts_of_odd_floats_are_certain() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 3e9, -3e9, 300.0, -1.0, 0.0], np.float32)
    got = {dtype: _run("Cast", odd, out=dtype, attrs={"to": helper.np_dtype_to_tensor_dtype(np.dtype(dtype))})
           for dtype in (np.int32, np.int64, np.uint8, bool)}  # fmt: skip
    top, low = 2**31 - 1, -(2**31)
    assert got[np.int32].tolist() == [0, top, low, top, low, 300, -1, 0]
    assert got[np.int64].tolist() == [0, 2**63 - 1, -(2**63), 3_000_000_000, -3_000_000_000, 300, -1, 0]
    assert got[np.uint8].tolist() == [0, 255, 0, 255, 0, 44, 255, 0]
    assert got[bool].tolist() == [True] * 7 + [False]


@table(
    Case(name="scalars", op="Add", inputs=[np.array(1.5, np.float32), np.array(2.5, np.float32)]),
    Case(name="nothing at all", op="Add", inputs=[np.zeros((0, 3), np.float32), np.ones(3, np.float32)]),
    Case(name="both broadcast", op="Mul", inputs=[floats(5, 1, 3), floats(1, 7, 1, seed=1)]),
    Case(name="one row of three", op="Sub", inputs=[floats(9, 3), floats(3, seed=1)]),
    Case(name="inner axis of one", op="Add", inputs=[floats(6, 5, 1), floats(6, 1, 1, seed=1)]),
    Case(name="the same twice", op="Mul", inputs=[floats(70), floats(70)]),
    Case(name="long, with a rest", op="Add", inputs=[floats(3, 67), floats(67, seed=1)]),
)
def test_shapes_at_edges(case: Case) -> None:
    case.check()


@table(
    Case(name="float remainder without fmod", op="Mod", inputs=[floats(3), floats(3)]),
)
def test_refused(case: Case) -> None:
    with pytest.raises(UnsupportedOperatorError):
        case.compile()


def test_bits_of_floats_are_certain() -> None:
    x = np.array([1.5, -0.0, np.nan, np.inf, 1e-45], np.float32)
    x[2] = np.array([0xFFC12345], np.uint32).view(np.float32)[0]
    attrs = {"to": TensorProto.INT32}
    (got,) = Case(name="bits", op="BitCast", inputs=[x], attrs=attrs, outputs=[TensorProto.INT32], opset=26).run()
    assert got.view(np.uint32).tolist() == [0x3FC00000, 0x80000000, 0x7FC00000, 0x7F800000, 1]
    (back,) = Case(name="floats", op="BitCast", inputs=[got], attrs={"to": TensorProto.FLOAT}, opset=26).run()
    assert back[[0, 1, 3, 4]].tobytes() == x[[0, 1, 3, 4]].tobytes()


def test_float64_outputs_have_one_nan() -> None:
    x = np.array([np.nan, -np.nan, 0.0], np.float32)
    (got,) = Case(
        name="wide", op="Cast", inputs=[x], attrs={"to": TensorProto.DOUBLE}, outputs=[TensorProto.DOUBLE]
    ).run()
    assert got.view(np.uint64).tolist() == [0x7FF8000000000000] * 2 + [0]
