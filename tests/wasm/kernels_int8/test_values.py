"""Sums, products, pools and tables of stored values against ONNX Runtime's operators, to the bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from compiler.ir.graph import ValueType
from compiler.wasm.kernels.int8.add import Order, find_addition
from compiler.wasm.specs import Pool2d, PoolKind, QBinary, QPool, QTable, Quant
from edge_bundle.errors import UnsupportedOperatorError
from edge_bundle.tensor import DType
from tests.wasm.kernels_int8.layers import (
    S8,
    U8,
    Array,
    Layer,
    quant_constants,
    random_quant,
    random_stored,
    run_ort,
    stored_range,
)


def quants() -> Iterator[tuple[Quant, Quant, Quant]]:
    """Scales of all sizes, equal ones and halves (which tie), zero points at random and at the ends."""
    rng = np.random.default_rng(4)
    for number in range(12):
        dtype = S8 if number % 4 == 3 else U8
        low, high = stored_range(dtype)
        a, b, y = (random_quant(rng, dtype, float(np.exp(rng.uniform(-4, 1)))) for _ in range(3))
        if number % 3 == 0:
            a, b = Quant(y.scale, low, dtype), Quant(y.scale / 2, high, dtype)
        yield a, b, y
    for scale in (0.031, 0.045):  # near ties everywhere: 1 / 1.2 is 5 / 6
        yield Quant(scale, 120, U8), Quant(0.047, 101, U8), Quant(0.047 * 1.2, 133, U8)


QUANTS = list(quants())


def every_pair(dtype: DType) -> tuple[Array, Array]:
    values = np.arange(256, dtype=np.uint8).view(dtype.numpy_name)
    return np.repeat(values, 256), np.tile(values, 256)


@pytest.mark.parametrize(("op", "peer"), [("skerry.qadd", "QLinearAdd"), ("skerry.qmul", "QLinearMul")])
@pytest.mark.parametrize(("a", "b", "y"), QUANTS, ids=range(len(QUANTS)))
def test_every_pair(op: str, peer: str, a: Quant, b: Quant, y: Quant) -> None:
    low, high = stored_range(y.dtype)
    left, right = every_pair(y.dtype)
    inputs = {"a": left, "b": right}
    kind = ValueType(y.dtype, left.shape)
    layer = Layer(op, QBinary(a=a, b=b, y=y, low=low, high=high), ("a", "b"), inputs, {}, kind)
    constants = {**quant_constants("a", a), **quant_constants("b", b), **quant_constants("y", y)}
    reads = ("a", "a_scale", "a_zero", "b", "b_scale", "b_zero", "y_scale", "y_zero")
    assert np.array_equal(layer.run(), run_ort(peer, inputs, constants, reads=reads))


def test_every_formula_of_sums_is_among_them() -> None:
    assert {found.order for a, b, y in QUANTS if (found := find_addition(a, b, y))} >= {Order.B_FIRST, Order.DOUBLE}


@pytest.mark.parametrize("count", [1, 7, 16, 33])
def test_sum_of_a_value_with_itself_clamped(count: int) -> None:
    x = Quant(0.1, 10, U8)
    stored = np.arange(count, dtype=np.uint8) * 7
    spec = QBinary(a=x, b=x, y=Quant(0.2, 10, U8), low=20, high=90)
    layer = Layer("skerry.qadd", spec, ("x", "x"), {"x": stored}, {}, ValueType(U8, (count,)))
    assert np.array_equal(layer.run(), np.clip(stored, 20, 90))


AVERAGES = ((1, 5, 5, 64), (2, 7, 7, 13), (1, 1, 1, 5), (3, 17, 19, 9))


@pytest.mark.parametrize("dtype", [U8, S8])
@pytest.mark.parametrize("size", AVERAGES, ids=str)
def test_global_average(size: tuple[int, int, int, int], dtype: DType) -> None:
    rng = np.random.default_rng(2)
    for x, y in ((random_quant(rng, dtype), random_quant(rng, dtype)) for _ in range(4)):
        inputs = {"x": random_stored(rng, size, dtype)}
        kind = ValueType(dtype, (size[0], 1, 1, size[3]))
        layer = Layer("skerry.qpool", QPool(pool=None, x=x, y=y), ("x",), inputs, {}, kind)
        constants = {**quant_constants("x", x), **quant_constants("y", y)}
        reads = ("x", "x_scale", "x_zero", "y_scale", "y_zero")
        assert np.array_equal(
            layer.run(), run_ort("QLinearGlobalAveragePool", inputs, constants, reads=reads, channels_last=1)
        )


WINDOWS = {
    "2x2": ((1, 8, 8, 16), (2, 2), (2, 2), (0, 0, 0, 0)),
    "3x3, padded": ((2, 7, 9, 5), (3, 3), (2, 1), (1, 1, 1, 1)),
    "uneven": ((1, 7, 9, 21), (3, 2), (2, 1), (1, 1, 1, 0)),
}


@pytest.mark.parametrize("include_pad", [False, True])
@pytest.mark.parametrize(("size", "kernel", "strides", "pads"), WINDOWS.values(), ids=WINDOWS.keys())
def test_average_of_windows(
    size: tuple[int, int, int, int], kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int, int, int],
    include_pad: bool,
) -> None:  # fmt: skip
    rng = np.random.default_rng(3)
    x, y = random_quant(rng, U8, 0.03), random_quant(rng, U8, 0.027)
    pool = Pool2d(kind=PoolKind.AVERAGE, kernel=kernel, strides=strides, pads=pads, count_include_pad=include_pad)
    layer = pool_layer(size, pool, x, y)
    constants = {**quant_constants("x", x), **quant_constants("y", y)}
    want = run_ort(
        "QLinearAveragePool", layer.inputs, constants, reads=("x", "x_scale", "x_zero", "y_scale", "y_zero"),
        channels_last=1, kernel_shape=kernel, strides=strides, pads=pads, count_include_pad=int(include_pad),
    )  # fmt: skip
    assert np.array_equal(layer.run(), want)


@pytest.mark.parametrize("dtype", [U8, S8])
@pytest.mark.parametrize(("size", "kernel", "strides", "pads"), WINDOWS.values(), ids=WINDOWS.keys())
def test_maximum_of_windows(
    size: tuple[int, int, int, int], kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int, int, int],
    dtype: DType,
) -> None:  # fmt: skip
    x = Quant(0.1, 3, dtype)
    layer = pool_layer(size, Pool2d(kind=PoolKind.MAX, kernel=kernel, strides=strides, pads=pads), x, x)
    planar = {"x": np.ascontiguousarray(layer.inputs["x"].transpose(0, 3, 1, 2))}
    want = run_ort("MaxPool", planar, {}, reads=("x",), domain="", kernel_shape=kernel, strides=strides, pads=pads)
    assert np.array_equal(layer.run(), want.transpose(0, 2, 3, 1))


def pool_layer(size: tuple[int, int, int, int], pool: Pool2d, x: Quant, y: Quant) -> Layer:
    edges = [(size[1 + i] + pool.pads[i] + pool.pads[2 + i] - pool.kernel[i]) // pool.strides[i] + 1 for i in (0, 1)]
    inputs = {"x": random_stored(np.random.default_rng(5), size, x.dtype)}
    kind = ValueType(y.dtype, (size[0], edges[0], edges[1], size[3]))
    return Layer("skerry.qpool", QPool(pool=pool, x=x, y=y), ("x",), inputs, {}, kind)


@pytest.mark.parametrize("dtype", [U8, S8, DType.FP32], ids=str)
def test_table(dtype: DType) -> None:
    rng = np.random.default_rng(6)
    table = rng.integers(0, 100, 256).astype(dtype.numpy_name)
    for source in (U8, S8):
        inputs = {"x": random_stored(rng, (3, 77), source)}
        layer = Layer("skerry.qtable", QTable(table=table, y=dtype), ("x",), inputs, {}, ValueType(dtype, (3, 77)))
        assert np.array_equal(layer.run(), table[inputs["x"].view(np.uint8)])


def test_tables_of_other_widths_are_refused() -> None:
    table = np.zeros(256, dtype=np.int64)
    inputs = {"x": np.zeros(3, dtype=np.uint8)}
    kind = ValueType(DType.INT64, (3,))
    with pytest.raises(UnsupportedOperatorError, match="1 or 4 bytes"):
        Layer("skerry.qtable", QTable(table=table, y=DType.INT64), ("x",), inputs, {}, kind).compile()
