"""skerry.conv2d in float32: every kernel against numpy, at odd sizes and edges; rows of a batch are bit-equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.wasm.options import WasmOptions
from compiler.wasm.specs import Activation, ActivationKind, Conv2d
from edge_bundle.errors import UnsupportedOperatorError
from tests.wasm.kernels_f32.layers import Layer, assert_close, conv_layer, expected_conv

RELU = Activation(ActivationKind.RELU)
RELU6 = Activation(ActivationKind.CLIP, 0.0, 6.0)
SAME = (1, 1, 1, 1)

CASES: dict[str, tuple[str, Layer]] = {
    "1x1": ("gemm_f32", conv_layer((1, 7, 7, 16), 24, Conv2d(kernel=(1, 1)))),
    "1x1, one channel": ("gemm_f32", conv_layer((1, 3, 3, 1), 1, Conv2d(kernel=(1, 1)))),
    "1x1, odd columns, residual": (
        "gemm_f32",
        conv_layer((2, 5, 5, 3), 10, Conv2d(kernel=(1, 1), activation=RELU), residual=True),
    ),
    "1x1, long sums": ("gemm_f32", conv_layer((1, 5, 5, 68), 18, Conv2d(kernel=(1, 1), activation=RELU6))),
    "1x1, one pixel": ("gemm_f32", conv_layer((1, 1, 1, 70), 101, Conv2d(kernel=(1, 1)))),
    "1x1, stride 2": ("conv2d_f32", conv_layer((1, 6, 5, 16), 8, Conv2d(kernel=(1, 1), strides=(2, 2)))),
    "1x1 with padding": (
        "conv2d_f32",
        conv_layer((1, 4, 4, 16), 8, Conv2d(kernel=(1, 1), strides=(2, 2), pads=(1, 1, 0, 0))),
    ),
    "three channels, stride 2": (
        "conv2d_f32",
        conv_layer((1, 9, 9, 3), 12, Conv2d(kernel=(3, 3), strides=(2, 2), pads=(0, 0, 1, 1), activation=RELU)),
    ),
    "one channel, 10x4": (
        "conv2d_f32",
        conv_layer((1, 49, 10, 1), 64, Conv2d(kernel=(10, 4), strides=(2, 2), pads=(4, 1, 5, 1), activation=RELU)),
    ),
    "one dimension": ("conv2d_f32", conv_layer((2, 1, 17, 6), 9, Conv2d(kernel=(1, 5), pads=(0, 2, 0, 2)))),
    "one column": ("conv2d_f32", conv_layer((2, 17, 1, 6), 9, Conv2d(kernel=(5, 1), pads=(2, 0, 2, 0)), residual=True)),
    "one column, wider kernel": (
        "conv2d_f32",
        conv_layer((1, 11, 1, 4), 9, Conv2d(kernel=(3, 3), strides=(2, 1), pads=(1, 1, 1, 1))),
    ),
    "3x3, stride 2": (
        "conv2d_f32",
        conv_layer((2, 9, 7, 8), 13, Conv2d(kernel=(3, 3), strides=(2, 2), pads=SAME), residual=True),
    ),
    "3x3, no bias": ("conv2d_f32", conv_layer((1, 5, 6, 7), 5, Conv2d(kernel=(3, 3)), bias=False)),
    "kernel larger than the input": (
        "conv2d_f32",
        conv_layer((1, 3, 3, 5), 6, Conv2d(kernel=(7, 7), pads=(3, 3, 3, 3))),
    ),
    "windows on padding alone": (
        "conv2d_f32",
        conv_layer((1, 2, 2, 5), 6, Conv2d(kernel=(3, 3), pads=(4, 4, 4, 4)), residual=True),
    ),
    "dilation": ("conv2d_f32", conv_layer((1, 8, 9, 8), 8, Conv2d(kernel=(3, 3), dilations=(2, 3), pads=(2, 3, 2, 3)))),
    "dilation, long sums": (
        "conv2d_f32",
        conv_layer((1, 8, 9, 12), 8, Conv2d(kernel=(3, 3), dilations=(2, 2), pads=(2, 2, 2, 2))),
    ),
    "groups": ("conv2d_f32", conv_layer((2, 8, 8, 8), 12, Conv2d(kernel=(3, 3), pads=SAME, groups=2), residual=True)),
    "groups of odd size": ("conv2d_f32", conv_layer((1, 4, 5, 9), 15, Conv2d(kernel=(2, 3), groups=3))),
    "channel multiplier": ("conv2d_f32", conv_layer((1, 6, 6, 4), 8, Conv2d(kernel=(3, 3), groups=4))),
    "depthwise": (
        "depthwise_f32",
        conv_layer((1, 7, 6, 8), 8, Conv2d(kernel=(3, 3), pads=SAME, groups=8, activation=RELU6)),
    ),
    "depthwise, one pixel": ("depthwise_f32", conv_layer((1, 1, 1, 8), 8, Conv2d(kernel=(3, 3), pads=SAME, groups=8))),
    "depthwise, stride 2, odd channels": (
        "depthwise_f32",
        conv_layer(
            (2, 9, 8, 10), 10, Conv2d(kernel=(3, 3), strides=(2, 2), pads=(0, 0, 1, 1), groups=10), residual=True
        ),
    ),
    "depthwise, 5x5": (
        "depthwise_f32",
        conv_layer((1, 9, 11, 4), 4, Conv2d(kernel=(5, 5), pads=(2, 2, 2, 2), groups=4, activation=RELU)),
    ),
    "depthwise, strides (2, 1)": (
        "depthwise_f32",
        conv_layer((1, 9, 11, 6), 6, Conv2d(kernel=(3, 2), strides=(2, 1), groups=6)),
    ),
    "depthwise, dilation": (
        "depthwise_f32",
        conv_layer((1, 8, 9, 5), 5, Conv2d(kernel=(3, 3), dilations=(2, 2), pads=(2, 2, 2, 2), groups=5)),
    ),
    "depthwise, windows on padding alone": (
        "depthwise_f32",
        conv_layer((1, 2, 2, 4), 4, Conv2d(kernel=(3, 3), pads=(4, 4, 4, 4), groups=4)),
    ),
    "depthwise, large kernel": (
        "large_depthwise_f32",
        conv_layer(
            (2, 9, 11, 7), 7, Conv2d(kernel=(7, 7), pads=(3, 3, 3, 3), groups=7, activation=RELU), residual=True
        ),
    ),
    "depthwise, large kernel, dilation and strides": (
        "large_depthwise_f32",
        conv_layer(
            (1, 13, 17, 4), 4, Conv2d(kernel=(6, 5), strides=(2, 3), dilations=(2, 1), pads=(7, 2, 3, 4), groups=4)
        ),
    ),
    "depthwise, large windows on padding alone": (
        "large_depthwise_f32",
        conv_layer((1, 2, 2, 4), 4, Conv2d(kernel=(6, 6), pads=(8, 8, 8, 8), groups=4)),
    ),
    "Winograd": ("winograd_f32", conv_layer((1, 8, 8, 8), 8, Conv2d(kernel=(3, 3), pads=SAME, activation=RELU))),
    "Winograd, odd sizes": (
        "winograd_f32",
        conv_layer((2, 9, 11, 16), 20, Conv2d(kernel=(3, 3), pads=SAME), residual=True),
    ),
    "Winograd, uneven padding": (
        "winograd_f32",
        conv_layer((3, 6, 7, 16), 12, Conv2d(kernel=(3, 3), pads=(2, 1, 0, 2), activation=RELU), residual=True),
    ),
    "Winograd, no padding, many channels": (
        "winograd_f32",
        conv_layer((1, 6, 6, 68), 16, Conv2d(kernel=(3, 3)), bias=False),
    ),
}


@pytest.mark.parametrize(("kernel", "layer"), CASES.values(), ids=CASES.keys())
def test_means_the_same_as_numpy(kernel: str, layer: Layer) -> None:
    module = layer.compile()
    assert module.info.steps[0].op == kernel
    assert_close(layer.run(), expected_conv(layer))


BATCHES = {
    "1x1": ((5, 3, 3, 8), 12, Conv2d(kernel=(1, 1))),
    "1x1, one pixel": ((5, 1, 1, 72), 33, Conv2d(kernel=(1, 1))),
    "1x1, long sums": ((5, 3, 3, 64), 12, Conv2d(kernel=(1, 1))),
    "direct": ((5, 6, 7, 12), 12, Conv2d(kernel=(3, 3), strides=(2, 2), pads=SAME)),
    "large depthwise": ((5, 6, 7, 12), 12, Conv2d(kernel=(7, 7), pads=(3, 3, 3, 3), groups=12)),
    "depthwise": ((5, 6, 7, 12), 12, Conv2d(kernel=(3, 3), pads=SAME, groups=12)),
    "Winograd": ((5, 9, 7, 16), 16, Conv2d(kernel=(3, 3), pads=SAME)),
}


@pytest.mark.parametrize(("size", "filters", "spec"), BATCHES.values(), ids=BATCHES.keys())
def test_rows_of_a_batch_are_bit_equal_and_share_weights(
    size: tuple[int, int, int, int], filters: int, spec: Conv2d
) -> None:
    layer = conv_layer(size, filters, spec, residual=True)
    whole = layer.run(WasmOptions(batch=size[0]))
    assert layer.compile(WasmOptions(batch=size[0])).weights == layer.rows(1).compile().weights
    for count in (1, 2):
        assert np.array_equal(layer.rows(count).run(WasmOptions(batch=count)), whole[:count])


def test_winograd_can_be_forbidden() -> None:
    layer = conv_layer((1, 8, 8, 8), 8, Conv2d(kernel=(3, 3), pads=SAME))
    options = WasmOptions(winograd=False)
    assert layer.compile(options).info.steps[0].op == "conv2d_f32"
    assert_close(layer.run(options), expected_conv(layer))


def test_nan_and_infinity_pass_through() -> None:
    layer = conv_layer((1, 5, 5, 8), 8, Conv2d(kernel=(3, 3), strides=(2, 2), pads=SAME, activation=RELU6))
    layer.inputs["x"][0, 0, 0, 0] = np.nan
    layer.inputs["x"][0, 4, 4, 0] = np.inf
    got = layer.run()[0]
    assert np.isnan(got[0, 0]).all()
    assert set(np.unique(got[2, 2])) <= {np.float32(0), np.float32(6)}
    assert np.isfinite(got[1:, :2]).all()


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_shape(data: st.DataObject) -> None:
    draw = data.draw
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    dilations = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    pads = tuple(draw(st.integers(0, 3)) for _ in range(4))
    reach = [dilations[i] * (kernel[i] - 1) + 1 for i in (0, 1)]
    height, width = (max(reach[i] - pads[i] - pads[i + 2], 1) + draw(st.integers(0, 6)) for i in (0, 1))
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    channels, filters = (groups * draw(st.integers(1, 5)) for _ in range(2))
    spec = Conv2d(
        kernel=kernel,
        strides=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        dilations=dilations,
        pads=(pads[0], pads[1], pads[2], pads[3]),
        groups=groups,
        activation=draw(st.sampled_from((Activation(), RELU, RELU6))),
    )
    layer = conv_layer((draw(st.integers(1, 2)), height, width, channels), filters, spec, residual=draw(st.booleans()))
    assert_close(layer.run(), expected_conv(layer))


def test_weights_must_be_known() -> None:
    layer = conv_layer((1, 4, 4, 4), 4, Conv2d(kernel=(3, 3)))
    layer.inputs["w"] = layer.constants.pop("w")
    with pytest.raises(UnsupportedOperatorError, match="constant weights"):
        layer.compile()
