"""Integer matrix products, and requantization at its edges: ties, unknown bounds, sums too large."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.ir.graph import ValueType
from compiler.wasm.compile import compile_graph
from compiler.wasm.options import WasmOptions
from compiler.wasm.specs import Conv2d, QConv2d, QGemm, Quant
from edge_bundle.errors import UnsupportedOperatorError
from edge_bundle.tensor import DType
from tests.wasm.kernels_int8.layers import (
    SOURCE,
    U8,
    Array,
    Layer,
    conv_layer,
    gemm_layer,
    ort_conv,
    quant_constants,
    run_ort,
)

SHAPES = ((1, 640, 128), (1, 8, 128), (1, 128, 8), (3, 33, 37), (5, 1, 3), (2, 64, 10), (7, 9, 16))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_same_bits_as_qgemm(shape: tuple[int, int, int]) -> None:
    layer = gemm_layer(*shape)
    assert np.array_equal(layer.run(), ort_gemm(layer))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_float_results(shape: tuple[int, int, int]) -> None:
    layer = gemm_layer(*shape, stored=False)
    spec: QGemm = layer.spec
    sums = (layer.inputs["x"].astype(np.int64) - spec.x.zero_point) @ layer.constants["w"].astype(np.int64)
    sums += layer.constants["b"]
    want = sums.astype(np.float32) * (np.float32(spec.x.scale) * spec.w_scales)
    assert np.array_equal(layer.run(), want)


def test_rows_of_a_batch_are_those_of_one() -> None:
    layer = gemm_layer(5, 33, 21)
    assert np.array_equal(layer.run()[:1], layer.rows(1).run())


def ort_gemm(layer: Layer) -> Array:
    spec: QGemm = layer.spec
    assert spec.y is not None
    constants = {
        **quant_constants("x", spec.x), **quant_constants("y", spec.y), **layer.constants,
        "w_scale": spec.w_scales, "w_zero": np.zeros(len(spec.w_scales), dtype=np.int8),
    }  # fmt: skip
    reads = ("x", "x_scale", "x_zero", "w", "w_scale", "w_zero", "b", "y_scale", "y_zero")
    return run_ort("QGemm", layer.inputs, constants, reads=reads)


def one_factor(scale: float, zero_point: int) -> Layer:
    """All 256 stored values, each times 1 and times -1, scaled."""
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    spec = QConv2d(
        conv=Conv2d(kernel=(1, 1)), x=Quant(scale, 128, U8), w_scales=np.ones(2, dtype=np.float32),
        y=Quant(1.0, zero_point, U8), low=0, high=255,
    )  # fmt: skip
    constants = {"w": np.array([1, -1], dtype=np.int8).reshape(2, 1, 1, 1)}
    return Layer("skerry.qconv2d", spec, ("x", "w", "", ""), {"x": x}, constants, ValueType(U8, (1, 16, 16, 2)))


@pytest.mark.parametrize("zero_point", [0, 1, 128, 255])
@pytest.mark.parametrize("scale", [0.5, 1.5, 2.5, 0.25])
def test_ties_go_to_the_even_neighbour_before_the_zero_point(scale: float, zero_point: int) -> None:
    layer = one_factor(scale, zero_point)
    stored = layer.inputs["x"].astype(np.float32) - 128
    both = np.concatenate([np.rint(stored * scale), np.rint(-stored * scale)], axis=3) + zero_point
    assert np.array_equal(layer.run(), np.clip(both, 0, 255))
    assert np.array_equal(layer.run(), ort_conv(layer))


@pytest.mark.parametrize("scale", [2.0**15, 2.0**20, 2.0**26])
def test_products_without_a_bound_are_clamped_first(scale: float) -> None:
    layer = one_factor(scale, 7)
    assert np.array_equal(layer.run(), ort_conv(layer))


def test_sums_beyond_32_bits_are_refused() -> None:
    layer = conv_layer((1, 1, 1, 4), 3, Conv2d(kernel=(1, 1)))
    bias = np.full(3, 2**31 - 5, dtype=np.int32)
    with pytest.raises(UnsupportedOperatorError, match="32 bits"):
        replace(layer, constants={**layer.constants, "b": bias}).compile()


def test_equal_shapes_share_code() -> None:
    layer = gemm_layer(1, 32, 32, stored=False)
    graph = layer.graph()
    second = replace(graph.nodes[0], name="again", outputs=("z",))
    twice = replace(
        graph,
        outputs=("y", "z"),
        nodes=(*graph.nodes, second),
        types={**graph.types, "z": ValueType(DType.FP32, (1, 32))},
    )
    wat = compile_graph(twice, WasmOptions(), source=SOURCE).wat
    assert wat.count("(func $qproduct/") == 1
