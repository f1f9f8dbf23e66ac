"""Integer convolutions of every kind against exact sums, and against ONNX Runtime's QLinearConv to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.wasm.ops.internal.quantized_layer import MAX_RELAXED
from compiler.wasm.specs import Conv2d
from tests.wasm.kernels_int8.layers import S8, U8, Layer, conv_layer, expected_conv, ort_conv, run_relaxed

ONE = Conv2d(kernel=(1, 1))
SAME = Conv2d(kernel=(3, 3), pads=(1, 1, 1, 1))


def depthwise(channels: int, **changes: object) -> Conv2d:
    return Conv2d(**{"kernel": (3, 3), "pads": (1, 1, 1, 1), "groups": channels, **changes})  # type: ignore[arg-type]


LAYERS: dict[str, tuple[str, Layer]] = {
    "1x1, odd depth, one wide block": ("qproduct", conv_layer((1, 3, 5, 7), 16, ONE)),
    "1x1, a narrow last block": ("qproduct", conv_layer((1, 4, 4, 16), 24, ONE)),
    "1x1, a last block of 13": ("qproduct", conv_layer((2, 3, 3, 10), 29, ONE, dtype=S8)),
    "1x1, one output": ("qproduct", conv_layer((1, 3, 3, 5), 1, ONE, bias=False)),
    "1x1, many blocks of rows": ("qproduct", conv_layer((1, 40, 13, 70), 9, ONE, residual=True)),
    "1x1 with stride": ("qconv2d", conv_layer((1, 7, 6, 8), 24, Conv2d(kernel=(1, 1), strides=(2, 2)))),
    "3 channels, stride 2": (
        "qconv2d", conv_layer((2, 9, 7, 3), 20, Conv2d(kernel=(3, 3), strides=(2, 2), pads=(0, 0, 1, 1))),
    ),
    "1 channel, 10x4": (
        "qconv2d", conv_layer((1, 25, 10, 1), 16, Conv2d(kernel=(10, 4), strides=(2, 2), pads=(4, 1, 5, 1))),
    ),
    "dilated, uneven pads": (
        "qconv2d", conv_layer((1, 9, 9, 6), 12, Conv2d(kernel=(3, 2), dilations=(2, 3), pads=(2, 1, 0, 3))),
    ),
    "groups": ("qconv2d", conv_layer((2, 5, 6, 12), 8, Conv2d(kernel=(3, 3), groups=4, pads=(1, 1, 1, 1)))),
    "depth multiplier": ("qconv2d", conv_layer((1, 5, 4, 3), 6, Conv2d(kernel=(3, 3), groups=3))),
    "kernel beyond the image": ("qconv2d", conv_layer((1, 2, 3, 4), 8, Conv2d(kernel=(5, 5), pads=(2, 2, 2, 2)))),
    "signed, with residual": ("qconv2d", conv_layer((1, 6, 5, 4), 24, SAME, dtype=S8, residual=True)),
    "clamped, with residual": (
        "qconv2d", conv_layer((1, 6, 5, 4), 24, SAME, limits=(9, 200), residual=True),
    ),
    "winograd, whole tiles": ("qconv2d_winograd", conv_layer((1, 8, 8, 16), 16, SAME, residual=True)),
    "winograd, ragged": ("qconv2d_winograd", conv_layer((2, 7, 9, 24), 40, SAME)),
    "winograd, no padding, signed": ("qconv2d_winograd", conv_layer((1, 5, 13, 16), 16, Conv2d(kernel=(3, 3)), dtype=S8)),
    "winograd, wide": ("qconv2d_winograd", conv_layer((1, 3, 70, 16), 16, SAME)),
    "depthwise, sliding": ("qconv2d_depthwise", conv_layer((2, 6, 7, 12), 12, depthwise(12))),
    "depthwise, one column": ("qconv2d_depthwise", conv_layer((1, 3, 1, 8), 8, depthwise(8))),
    "depthwise, no padding": ("qconv2d_depthwise", conv_layer((1, 5, 6, 8), 8, depthwise(8, pads=(0, 0, 0, 0)))),
    "depthwise, padded right": ("qconv2d_depthwise", conv_layer((1, 4, 4, 8), 8, depthwise(8, pads=(0, 0, 3, 4)))),
    "depthwise, signed": ("qconv2d_depthwise", conv_layer((1, 9, 5, 16), 16, depthwise(16), dtype=S8, residual=True)),
    "depthwise, stride 2": (
        "qconv2d_depthwise", conv_layer((2, 7, 9, 16), 16, depthwise(16, strides=(2, 2), pads=(0, 0, 1, 1))),
    ),
    "depthwise, 5x4": (
        "qconv2d_depthwise",
        conv_layer((2, 7, 9, 5), 5, depthwise(5, kernel=(5, 4), strides=(2, 1), pads=(2, 1, 2, 3)), limits=(3, 250)),
    ),
    "depthwise, dilated": (
        "qconv2d_depthwise", conv_layer((1, 5, 5, 8), 8, depthwise(8, dilations=(2, 2), pads=(2, 2, 2, 2))),
    ),
    "depthwise, line by line": ("qconv2d_depthwise", conv_layer((1, 60, 90, 100), 100, depthwise(100))),
}  # fmt: skip
"""The step's operator, and the layer."""

UNSIGNED = {name: layer for name, (_, layer) in LAYERS.items() if layer.y.dtype is U8 and layer.spec.residual is None}


@pytest.mark.parametrize(("op", "layer"), LAYERS.values(), ids=LAYERS.keys())
def test_exact(op: str, layer: Layer) -> None:
    assert layer.compile().info.steps[0].op == op
    assert np.array_equal(layer.run(), expected_conv(layer))


@pytest.mark.parametrize("layer", UNSIGNED.values(), ids=UNSIGNED.keys())
def test_same_bits_as_onnx_runtime(layer: Layer) -> None:
    spec = layer.spec
    assert np.array_equal(layer.run(), np.clip(ort_conv(layer), spec.low, spec.high))


EXTREMES = {
    "product": conv_layer((1, 2, 5, 130), 17, ONE),
    "direct": conv_layer((1, 4, 4, 6), 9, SAME),
    "winograd": conv_layer((1, 8, 8, 64), 16, SAME, bias=False),
    "sliding": conv_layer((1, 5, 6, 8), 8, depthwise(8)),
    "depthwise": conv_layer((1, 5, 6, 8), 8, depthwise(8, strides=(2, 2))),
}


@pytest.mark.parametrize("layer", EXTREMES.values(), ids=EXTREMES.keys())
@pytest.mark.parametrize("zero_point", [0, 255])
@pytest.mark.parametrize("stored", [0, 255])
@pytest.mark.parametrize("weight", [-127, 127])
def test_largest_sums(layer: Layer, zero_point: int, stored: int, weight: int) -> None:
    other = conv_like(layer, zero_point)
    other.constants["w"][...] = weight
    other.inputs["x"][...] = stored
    assert np.array_equal(other.run(), expected_conv(other))


def conv_like(layer: Layer, zero_point: int) -> Layer:
    size = layer.inputs["x"].shape
    assert len(size) == 4
    return conv_layer(size, layer.y.shape[3], layer.spec.conv, zero_point=zero_point, bias="b" in layer.constants)


BATCHED = {name: layer for name, (_, layer) in LAYERS.items() if layer.y.shape[0] > 1}


@pytest.mark.parametrize("layer", BATCHED.values(), ids=BATCHED.keys())
def test_rows_of_a_batch_are_those_of_one(layer: Layer) -> None:
    assert np.array_equal(layer.run()[:1], layer.rows(1).run())


RELAXED = {
    "1x1": conv_layer((1, 3, 5, 13), 24, ONE, zero_point=3),
    "1x1, residual": conv_layer((2, 3, 3, 8), 16, ONE, zero_point=127, residual=True),
    "direct": conv_layer((2, 9, 7, 3), 20, Conv2d(kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1)), zero_point=90),
    "groups, dilated": conv_layer(
        (1, 6, 6, 12), 8, Conv2d(kernel=(3, 2), groups=4, dilations=(2, 2), pads=(2, 1, 0, 1)), zero_point=5
    ),
}


@pytest.mark.parametrize("layer", RELAXED.values(), ids=RELAXED.keys())
def test_relaxed_is_exact_for_seven_bits(layer: Layer) -> None:
    layer = layer.seven_bits()
    op, found = run_relaxed(layer)
    assert op.endswith("_relaxed")
    assert np.array_equal(found, expected_conv(layer))


def test_relaxed_takes_no_padding_beyond_seven_bits() -> None:
    layer = conv_layer(
        (1, 4, 4, 8), 16, Conv2d(kernel=(2, 2), pads=(1, 1, 0, 0)), zero_point=MAX_RELAXED + 1
    ).seven_bits()
    op, found = run_relaxed(layer)
    assert op == "qconv2d"
    assert np.array_equal(found, expected_conv(layer))
