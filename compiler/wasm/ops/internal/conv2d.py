"""Convolution of float32 images (NHWC): picks a kernel for each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.f32.conv_direct import ConvShape, conv_function
from compiler.wasm.kernels.f32.depthwise import MAX_TAPS, DepthwiseShape, depthwise_function, pack_depthwise
from compiler.wasm.kernels.f32.depthwise_large import large_depthwise_function, pack_large_depthwise
from compiler.wasm.kernels.f32.epilogue import Epilogue
from compiler.wasm.kernels.f32.packing import Panels, pack_bias, pack_matrix
from compiler.wasm.kernels.f32.tiles import DEPTHWISE_TILE, gemm_tile, winograd_pays
from compiler.wasm.kernels.f32.window import Axis
from compiler.wasm.kernels.f32.winograd import winograd_function
from compiler.wasm.kernels.f32.winograd_shape import MAX_BLOCK, POINTS, WinogradShape, pack_winograd
from compiler.wasm.kernels.f32.winograd_transforms import PAIR_BYTES, weights_function
from compiler.wasm.numerics.sizes import FLOAT_LANES
from compiler.wasm.ops.internal.gemm import gemm_step
from compiler.wasm.ops.kernel_step import Expansion, Kernel, kernel_step
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.specs import Conv2d
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """A convolution as its node has it; ``filters`` and ``channels`` are those of all groups."""

    node: Node
    images: int
    y: Axis
    x: Axis
    channels: int
    filters: int
    groups: int
    weights: NDArray[Any] = field(repr=False)
    bias: NDArray[Any] | None = field(repr=False)
    epilogue: Epilogue

    @property
    def flops(self) -> int:
        """Multiplications and additions of the direct sum, padding included."""
        return 2 * self.images * self.y.out * self.x.out * self.weights.size

    @property
    def pointwise(self) -> bool:
        """Whether every output pixel is a product of the input pixel at its place."""
        return self.groups == 1 and all(
            axis.kernel == axis.stride == 1 and axis.pad == 0 and axis.out == axis.size for axis in (self.y, self.x)
        )

    @property
    def depthwise(self) -> bool:
        """Whether each channel has one filter."""
        return self.groups == self.channels == self.filters

    @property
    def winograd(self) -> bool:
        """Whether it is 3x3 of stride 1, and faster by tiles."""
        plain = all((axis.kernel, axis.stride, axis.dilation) == (3, 1, 1) for axis in (self.y, self.x))
        return plain and self.groups == 1 and winograd_pays(self.channels, self.filters, (self.y.out, self.x.out))


def conv2d(node: Node, scope: Scope) -> Step:
    """``skerry.conv2d``."""
    layer = _read(node, scope)
    if layer.pointwise:
        matrix, pixels = layer.weights[:, :, 0, 0].T, layer.y.out * layer.x.out
        return gemm_step(node, matrix, layer.bias, layer.epilogue, rows=layer.images * pixels, item_rows=pixels)
    if layer.depthwise:
        return _depthwise(layer)
    if scope.options.winograd and layer.winograd:
        return _winograd(layer)
    return _direct(layer)


def _read(node: Node, scope: Scope) -> _Layer:
    spec: Conv2d = node.attrs["spec"]
    weights, bias = scope.constant(node.input(1)), scope.constant(node.input(2))
    if weights is None or (node.input(2) and bias is None):
        raise refuse(node, "expected constant weights and bias")
    source, out = scope.type_of(node.input(0)), scope.type_of(node.output)
    if not source.size * out.size:
        raise refuse(node, "an empty tensor")
    y, x = (
        Axis(source.shape[1 + i], out.shape[1 + i], spec.kernel[i], spec.strides[i], spec.dilations[i], spec.pads[i])
        for i in (0, 1)
    )
    layer = _Layer(
        node=node,
        images=source.shape[0],
        y=y,
        x=x,
        channels=source.shape[3],
        filters=out.shape[3],
        groups=spec.groups,
        weights=weights,
        bias=bias,
        epilogue=Epilogue(activation=spec.activation, residual=bool(node.input(3))),
    )
    # One column of pixels is a row of them in the same bytes, and tiles are cut from rows.
    return replace(layer, y=x, x=y, weights=weights.swapaxes(2, 3)) if x.size == x.out == 1 else layer


def _depthwise(layer: _Layer) -> Step:
    shape = DepthwiseShape(layer.images, layer.y, layer.x, layer.channels, DEPTHWISE_TILE, layer.epilogue)
    small = shape.taps <= MAX_TAPS
    function = depthwise_function if small else large_depthwise_function
    return kernel_step(
        layer.node,
        Kernel(
            op="depthwise_f32" if small else "large_depthwise_f32",
            key=shape.key,
            build=lambda module, name: function(module, name, shape),
        ),
        constants={
            "w": pack_depthwise(layer.weights) if small else pack_large_depthwise(layer.weights),
            "bias": pack_bias(layer.bias, Panels(shape.channels, FLOAT_LANES)),
        },
        flops=layer.flops,
        second=layer.node.input(3),
    )


def _winograd(layer: _Layer) -> Step:
    tile = gemm_tile(MAX_BLOCK, layer.channels, layer.filters, layer.channels)
    shape = WinogradShape(layer.images, layer.y, layer.x, layer.channels, layer.filters, tile, layer.epilogue)

    def transform(e: StepEmitter, taps: int, points: int) -> None:
        function = e.shared("winograd_f32_weights", lambda module: weights_function(module, "winograd_f32_weights"))
        pairs = shape.tap_plane // PAIR_BYTES
        e.fn.do(e.fn.call(function, taps, points, pairs, shape.tap_plane, shape.weight_plane))

    return kernel_step(
        layer.node,
        Kernel(
            op="winograd_f32",
            key=shape.key,
            build=lambda module, name: winograd_function(module, name, shape),
            scratch=shape.scratch,
        ),
        constants={
            "w": pack_winograd(layer.weights, shape),
            "bias": pack_bias(layer.bias, shape.panels),
        },
        flops=layer.flops,
        second=layer.node.input(3),
        expansions={"w": Expansion(nbytes=POINTS * shape.weight_plane, write=transform)},
    )


def _direct(layer: _Layer) -> Step:
    groups = layer.groups
    channels, filters = layer.channels // groups, layer.filters // groups
    tile = gemm_tile(layer.x.out, layer.weights[0].size, filters, channels)
    shape = ConvShape(layer.images, layer.y, layer.x, channels, filters, groups, tile, layer.epilogue)
    matrices = layer.weights.reshape(groups, filters, *layer.weights.shape[1:]).transpose(0, 3, 4, 2, 1)
    packed = [pack_matrix(matrix.reshape(-1, filters), shape.panels, dot=tile.dot) for matrix in matrices]
    biases = [None] * groups if layer.bias is None else layer.bias.reshape(groups, filters)
    return kernel_step(
        layer.node,
        Kernel(op="conv2d_f32", key=shape.key, build=lambda module, name: conv_function(module, name, shape)),
        constants={"w": np.concatenate(packed), "bias": np.concatenate([pack_bias(b, shape.panels) for b in biases])},
        flops=layer.flops,
        second=layer.node.input(3),
    )


RULES: Rules = {"skerry.conv2d": Rule(lower=conv2d, dtypes=frozenset({DType.FP32}))}
"""The operators of this family."""
