"""Pooling of float32 images (NHWC)."""

from __future__ import annotations

from compiler.ir.graph import Node
from compiler.wasm.kernels.f32.pool import PoolShape, global_pool_function, pool_function
from compiler.wasm.kernels.f32.window import Axis
from compiler.wasm.ops.kernel_step import Kernel, kernel_step
from compiler.wasm.ops.rule import Rule, Rules, Scope
from compiler.wasm.specs import GlobalPool, Pool2d
from compiler.wasm.step import Step
from edge_bundle.tensor import DType


def pool2d(node: Node, scope: Scope) -> Step:
    """``skerry.pool2d``."""
    spec: Pool2d = node.attrs["spec"]
    images, height, width, channels = scope.type_of(node.input(0)).shape
    _, out_height, out_width, _ = scope.type_of(node.output).shape
    top, left, bottom, right = spec.pads
    shape = PoolShape(
        kind=spec.kind,
        images=images,
        y=Axis(height, out_height, spec.kernel[0], spec.strides[0], spec.dilations[0], top),
        x=Axis(width, out_width, spec.kernel[1], spec.strides[1], spec.dilations[1], left),
        channels=channels,
        count_include_pad=spec.count_include_pad,
        bottom=bottom,
        right=right,
    )
    return kernel_step(
        node,
        Kernel(
            op=f"{spec.kind}_pool_f32", key=shape.key, build=lambda module, name: pool_function(module, name, shape)
        ),
        constants={},
        flops=scope.type_of(node.output).size * spec.kernel[0] * spec.kernel[1],
    )


def global_pool(node: Node, scope: Scope) -> Step:
    """``skerry.global_pool``."""
    spec: GlobalPool = node.attrs["spec"]
    images, height, width, channels = scope.type_of(node.input(0)).shape
    return kernel_step(
        node,
        Kernel(
            op=f"global_{spec.kind}_pool_f32",
            key=f"{images}x{height * width}x{channels}",
            build=lambda module, name: global_pool_function(module, name, spec.kind, images, height * width, channels),
        ),
        constants={},
        flops=images * height * width * channels,
    )


RULES: Rules = {
    "skerry.global_pool": Rule(lower=global_pool, dtypes=frozenset({DType.FP32})),
    "skerry.pool2d": Rule(lower=pool2d, dtypes=frozenset({DType.FP32})),
}
"""The operators of this family."""
