"""skerry.gemm and MatMul in float32 against numpy; rows of a batch are bit-equal."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.wasm.options import WasmOptions
from compiler.wasm.specs import Activation, ActivationKind
from tests.wasm.kernels_f32.layers import Layer, assert_close, expected_gemm, gemm_layer, random

GEMMS: dict[str, Layer] = {
    "one value": gemm_layer(1, 1, 1),
    "one row": gemm_layer(1, 640, 128, activation=Activation(ActivationKind.RELU)),
    "one row, one column": gemm_layer(1, 33, 1),
    "one row, odd columns": gemm_layer(1, 64, 10, residual=True),
    "one row, many columns": gemm_layer(1, 40, 1001),
    "three products": gemm_layer(9, 3, 40, bias=False),
    "odd everything": gemm_layer(7, 11, 13, residual=True),
    "long sums": gemm_layer(7, 132, 23, residual=True, activation=Activation(ActivationKind.LEAKY_RELU, 0.1)),
    "long sums, not by four": gemm_layer(6, 133, 22),
    "a sigmoid": gemm_layer(5, 16, 17, activation=Activation(ActivationKind.SILU)),
}


@pytest.mark.parametrize("layer", GEMMS.values(), ids=GEMMS.keys())
def test_gemm_means_the_same_as_numpy(layer: Layer) -> None:
    assert_close(layer.run(WasmOptions(batch=layer.shape[0])), expected_gemm(layer))


@pytest.mark.parametrize("depth", [10, 128])
def test_rows_of_a_batch_are_bit_equal_and_share_weights(depth: int) -> None:
    layer = gemm_layer(8, depth, 37)
    whole = layer.run(WasmOptions(batch=8))
    assert layer.compile(WasmOptions(batch=8)).weights == layer.rows(1).compile().weights
    for count in (1, 3):
        assert np.array_equal(layer.rows(count).run(WasmOptions(batch=count)), whole[:count])


def matmul_layer(left: tuple[int, ...], right: tuple[int, ...]) -> Layer:
    rng = np.random.default_rng(2)
    inputs = {"a": random(rng, *left), "b": random(rng, *right)}
    shape = np.matmul(inputs["a"], inputs["b"]).shape
    return Layer("MatMul", None, ("a", "b"), inputs, {}, shape)


MATMULS: dict[str, tuple[str, Layer]] = {
    "matrices": ("matmul_f32", matmul_layer((5, 7), (7, 9))),
    "one row": ("matmul_f32", matmul_layer((1, 7), (7, 37))),
    "attention scores": ("matmul_f32", matmul_layer((2, 3, 10, 16), (2, 3, 16, 10))),
    "attention values": ("matmul_f32", matmul_layer((2, 3, 10, 10), (2, 3, 10, 16))),
    "few rows": ("matmul_f32", matmul_layer((4, 2, 12), (4, 12, 21))),
    "one right side": ("matmul_f32", matmul_layer((4, 6, 12), (12, 21))),
    "one left side": ("matmul_f32", matmul_layer((6, 12), (4, 12, 21))),
    "broadcast in between": ("matmul", matmul_layer((2, 1, 3, 4), (1, 3, 4, 5))),
    "a vector": ("matmul", matmul_layer((4,), (4, 5))),
}


@pytest.mark.parametrize(("kernel", "layer"), MATMULS.values(), ids=MATMULS.keys())
def test_matmul_means_the_same_as_numpy(kernel: str, layer: Layer) -> None:
    module = layer.compile()
    assert module.info.steps[0].op == kernel
    expected = np.matmul(layer.inputs["a"].astype(np.float64), layer.inputs["b"].astype(np.float64))
    assert_close(layer.run(), expected)
