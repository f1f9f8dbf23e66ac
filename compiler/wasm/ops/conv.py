"""Convolution of float32 images (NHWC): picks a kernel for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.f32.conv_direct import ConvShape, conv_function
from compiler.wasm.kernels.f32.depthwise import MAX_TAPS, DepthwiseShape, depthwise_function, pack_depthwise
from compiler.wasm.kernels.f32.epilogue import Epilogue
from compiler.wasm.kernels.f32.packing import LANES, Panels, pack_bias, pack_matrix
from compiler.wasm.kernels.f32.tiles import depthwise_tile, gemm_tile, winograd_pays
from compiler.wasm.kernels.f32.window import Axis
from compiler.wasm.kernels.f32.winograd import MAX_BLOCK, WinogradShape, pack_winograd, winograd_function
from compiler.wasm.ops.kernel_step import kernel_step
from compiler.wasm.ops.matmul import gemm_step
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.specs import Conv2d
from compiler.wasm.step import Step
from edge_bundle.tensor import DType


def conv2d(node: Node, scope: Scope) -> Step:
    """``skerry.conv2d``: a matrix product for 1x1, else depthwise or direct."""
    spec: Conv2d = node.attrs["spec"]
    weights = scope.constant(node.input(1))
    bias = scope.constant(node.input(2))
    if weights is None or (node.input(2) and bias is None):
        raise refuse(node, "expected constant weights and bias")
    if not scope.type_of(node.input(0)).size * scope.type_of(node.output).size:
        raise refuse(node, "an empty tensor")
    images, height, width, channels = scope.type_of(node.input(0)).shape
    _, out_height, out_width, filters = scope.type_of(node.output).shape
    y = Axis(height, out_height, spec.kernel[0], spec.strides[0], spec.dilations[0], spec.pads[0])
    x = Axis(width, out_width, spec.kernel[1], spec.strides[1], spec.dilations[1], spec.pads[1])
    epilogue = Epilogue(activation=spec.activation, residual=bool(node.input(3)))
    pointwise = spec.kernel == spec.strides == (1, 1) and not any(spec.pads)
    if pointwise and spec.groups == 1:
        pixels = out_height * out_width
        return gemm_step(node, weights[:, :, 0, 0].T, bias, epilogue, rows=images * pixels, item_rows=pixels)
    if spec.groups == channels == filters and spec.kernel[0] * spec.kernel[1] <= MAX_TAPS:
        return _depthwise(
            node, DepthwiseShape(images, y, x, channels, depthwise_tile(spec.strides), epilogue), weights, bias
        )
    if scope.options.winograd and _has_winograd(spec, channels, filters, (out_height, out_width)):
        tile = gemm_tile(MAX_BLOCK, channels, filters, channels)
        return _winograd(node, WinogradShape(images, y, x, channels, filters, tile, epilogue), weights, bias)
    tile = gemm_tile(out_width, weights[0].size, filters // spec.groups, weights.shape[1])
    groups = spec.groups
    return _direct(
        node, ConvShape(images, y, x, channels // groups, filters // groups, groups, tile, epilogue), weights, bias
    )


def _depthwise(node: Node, shape: DepthwiseShape, weights: NDArray[Any], bias: NDArray[Any] | None) -> Step:
    return kernel_step(
        node,
        op="depthwise_f32",
        key=shape.key,
        build=lambda module, name: depthwise_function(module, name, shape),
        constants={"w": pack_depthwise(weights), "bias": pack_bias(bias, Panels(shape.channels, LANES))},
        flops=2 * shape.images * shape.y.out * shape.x.out * weights.size,
        second=node.input(3),
    )


def _has_winograd(spec: Conv2d, channels: int, filters: int, out: tuple[int, int]) -> bool:
    plain = spec.kernel == (3, 3) and spec.strides == spec.dilations == (1, 1) and spec.groups == 1
    return plain and winograd_pays(channels, filters, out)


def _winograd(node: Node, shape: WinogradShape, weights: NDArray[Any], bias: NDArray[Any] | None) -> Step:
    return kernel_step(
        node,
        op="winograd_f32",
        key=shape.key,
        build=lambda module, name: winograd_function(module, name, shape),
        constants={
            "w": pack_winograd(weights, shape),
            "zeros": pack_bias(None, shape.panels),
            "bias": pack_bias(bias, shape.panels),
        },
        flops=2 * shape.images * shape.y.out * shape.x.out * weights.size,
        second=node.input(3),
        scratch=shape.scratch,
    )


def _direct(node: Node, shape: ConvShape, weights: NDArray[Any], bias: NDArray[Any] | None) -> Step:
    filters = weights.reshape(shape.groups, shape.filters, *weights.shape[1:]).transpose(0, 3, 4, 2, 1)
    biases = [None] * shape.groups if bias is None else bias.reshape(shape.groups, shape.filters)
    packed = [pack_matrix(group.reshape(-1, shape.filters), shape.panels, dot=shape.tile.dot) for group in filters]
    return kernel_step(
        node,
        op="conv2d_f32",
        key=shape.key,
        build=lambda module, name: conv_function(module, name, shape),
        constants={"w": np.concatenate(packed), "bias": np.concatenate([pack_bias(b, shape.panels) for b in biases])},
        flops=2 * shape.images * shape.y.out * shape.x.out * weights.size,
        second=node.input(3),
    )


RULES: Rules = {"skerry.conv2d": Rule(lower=conv2d, dtypes=frozenset({DType.FP32}))}
"""The operators of this family."""
