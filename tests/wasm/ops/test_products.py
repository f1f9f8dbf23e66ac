"""Matrix products, Einsum and integer products in their form for any shape: against ONNX Runtime and numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto  # noqa: TID251

from edge_bundle.errors import UnsupportedOperatorError
from tests.wasm.ops.one_node import Array, Case, Fixed, floats, integers, table

INT32, INT64, INT8, UINT8 = TensorProto.INT32, TensorProto.INT64, TensorProto.INT8, TensorProto.UINT8


def product(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> Case:
    return Case(name=name, op="MatMul", inputs=[floats(*a), floats(*b, seed=1)], rtol=1e-4, atol=1e-5)


@table(
    product("matrices", (5, 7), (7, 9)),
    product("one element", (1, 1), (1, 1)),
    product("a whole tile", (8, 16), (16, 24)),
    product("edges of a tile", (9, 3), (3, 27)),
    product("batches", (3, 5, 4), (3, 4, 6)),
    product("one batch for all", (3, 5, 4), (4, 6)),
    product("batches in two dimensions", (2, 1, 5, 4), (3, 4, 6)),
    product("a row vector", (7,), (7, 9)),
    product("a column vector", (5, 7), (7,)),
    product("two vectors", (7,), (7,)),
    product("a vector and batches", (7,), (3, 7, 5)),
    Case(
        name="int32", op="MatMul", inputs=[integers(-99, 99, (5, 7), np.int32), integers(-99, 99, (7, 9), np.int32)],
        outputs=[INT32],
    ),
    Case(
        name="int64", op="MatMul", inputs=[integers(-99, 99, (5, 7), np.int64), integers(-99, 99, (7, 9), np.int64)],
        outputs=[INT64],
    ),
)  # fmt: skip
def test_matmul(case: Case) -> None:
    case.check()


def gemm(name: str, a: tuple[int, ...], b: tuple[int, ...], *c: int, **attrs: Any) -> Case:
    inputs = [floats(*a), floats(*b, seed=1), *([floats(*c, seed=2)] if c else [])]
    return Case(name=name, op="Gemm", inputs=inputs, attrs=attrs, rtol=1e-4, atol=1e-5)


@table(
    gemm("plain", (5, 7), (7, 9)),
    gemm("transposed a", (7, 5), (7, 9), transA=1),
    gemm("transposed b", (5, 7), (9, 7), transB=1),
    gemm("both", (7, 5), (9, 7), transA=1, transB=1),
    gemm("a row is added", (5, 7), (7, 9), 9),
    gemm("a column is added", (5, 7), (7, 9), 5, 1),
    gemm("one element is added", (5, 7), (7, 9), 1),
    gemm("scaled", (5, 7), (7, 9), 5, 9, alpha=0.5, beta=-2.0),
    gemm("nothing of c", (5, 7), (7, 9), 5, 9, beta=0.0),
    gemm("one column", (5, 7), (7, 1), 1),
)
def test_gemm(case: Case) -> None:
    case.check()


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(3, 4), (4, 5)]),
        ("ij,jk", [(3, 4), (4, 5)]),
        ("ij->ji", [(3, 5)]),
        ("ii->i", [(4, 4)]),
        ("ii", [(4, 4)]),
        ("bii->bi", [(2, 3, 3)]),
        ("ij->", [(3, 5)]),
        ("i,i->", [(6,), (6,)]),
        ("i,j->ij", [(3,), (9,)]),
        ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("...ij,...jk->...ik", [(2, 3, 4), (1, 4, 5)]),
        ("...ij->...ji", [(2, 2, 3, 4)]),
        ("bij,bjk,kl->il", [(2, 3, 4), (2, 4, 5), (5, 6)]),
        ("abc,cd,def->abef", [(2, 2, 3), (3, 4), (4, 2, 5)]),
    ],
)
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    inputs = [floats(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    (y,) = Case(name="", op="Einsum", inputs=inputs, attrs={"equation": equation}).run()
    np.testing.assert_allclose(y, np.einsum(equation, *inputs), rtol=1e-4, atol=1e-5)


def u8(*shape: int, seed: int = 0) -> Array:
    return integers(0, 256, shape, np.uint8, seed=seed)


def s8(*shape: int, seed: int = 0) -> Array:
    return integers(-128, 128, shape, np.int8, seed=seed)


def zero(value: int, like: type = np.uint8) -> Array:
    return np.array(value, like)


def scale(*values: float) -> Array:
    return np.array(values[0] if len(values) == 1 else values, np.float32)


@table(
    Case(name="no zero points", op="MatMulInteger", inputs=[u8(4, 9), s8(9, 7)], outputs=[INT32]),
    Case(name="zero points", op="MatMulInteger", inputs=[u8(4, 9), u8(9, 7), zero(100), zero(7)], outputs=[INT32]),
    Case(
        name="zero point of each column", op="MatMulInteger",
        inputs=[u8(4, 9), s8(9, 3), zero(100), np.array([1, -5, 99], np.int8)], outputs=[INT32],
    ),
    Case(
        name="constant weights", op="MatMulInteger", outputs=[INT32],
        inputs=[u8(4, 9), Fixed(s8(9, 3)), zero(100), Fixed(np.array([1, -5, 99], np.int8))],
    ),
    Case(
        name="conv with constant weights", op="ConvInteger", outputs=[INT32],
        inputs=[u8(1, 3, 7, 8), Fixed(u8(4, 3, 3, 3)), zero(120), Fixed(zero(7))],
    ),
    Case(name="batches", op="MatMulInteger", inputs=[u8(2, 4, 9), s8(9, 7), zero(3)], outputs=[INT32]),
    Case(name="conv", op="ConvInteger", inputs=[u8(1, 3, 7, 8), u8(4, 3, 3, 3), zero(120)], outputs=[INT32]),
    Case(
        name="conv with pads", op="ConvInteger", inputs=[u8(1, 2, 7, 8), u8(4, 2, 3, 3), zero(9), zero(3)],
        attrs={"pads": [1, 1, 1, 1], "strides": [2, 1]}, outputs=[INT32],
    ),
)  # fmt: skip
def test_integer_products(case: Case) -> None:
    case.check()


@table(
    Case(
        name="matmul", op="QLinearMatMul", outputs=[UINT8],
        inputs=[u8(5, 9), scale(0.02), zero(100), u8(9, 6), scale(0.01), zero(130), scale(0.1), zero(120)],
    ),
    Case(
        name="matmul that saturates", op="QLinearMatMul", outputs=[INT8],
        inputs=[s8(5, 9), scale(0.2), zero(1, np.int8), s8(9, 6), scale(0.5), zero(0, np.int8), scale(0.1),
                zero(-3, np.int8)],
    ),
    Case(
        name="conv", op="QLinearConv", outputs=[UINT8], attrs={"pads": [1, 1, 1, 1]},
        inputs=[u8(1, 3, 7, 8), scale(0.02), zero(100), s8(4, 3, 3, 3), scale(0.01), zero(0, np.int8), scale(0.1),
                zero(120), integers(-500, 500, (4,), np.int32)],
    ),
    Case(
        name="conv with scales of each channel", op="QLinearConv", outputs=[UINT8], attrs={"strides": [2, 2]},
        inputs=[u8(1, 3, 9, 8), scale(0.02), zero(100), s8(3, 3, 3, 3), scale(0.01, 0.02, 0.03),
                np.zeros(3, np.int8), scale(0.1), zero(120)],
    ),
)  # fmt: skip
def test_requantized(case: Case) -> None:
    (y,), (wanted,) = case.run(), case.expected()
    assert np.abs(y.astype(int) - wanted.astype(int)).max() <= 1  # ONNX Runtime rounds sums of its own in places
    assert (y == wanted).mean() > 0.99


def test_scales_that_are_no_float32_are_refused() -> None:
    half = np.array(0.5, np.float16)
    inputs = [u8(2, 3), half, zero(1), u8(3, 2), half, zero(1), half, zero(1)]
    with pytest.raises(UnsupportedOperatorError):
        Case(name="", op="QLinearMatMul", inputs=inputs, outputs=[UINT8], opset=21).compile()
