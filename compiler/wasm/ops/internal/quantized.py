"""Integer operators: which kernel a convolution or matrix product of 8-bit values gets; the table of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.int8.image import Image
from compiler.wasm.kernels.int8.winograd import fits
from compiler.wasm.ops.dtypes import BYTES
from compiler.wasm.ops.internal.quantized_kernels import convolution, depthwise, product, winograd
from compiler.wasm.ops.internal.quantized_layer import make_layer
from compiler.wasm.ops.internal.quantized_values import lower_add, lower_mul, lower_pool, lower_table
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.specs import QConv2d, QGemm
from compiler.wasm.step import Step


def lower_conv(node: Node, scope: Scope) -> Step:
    """skerry.qconv2d."""
    spec: QConv2d = node.attrs["spec"]
    image = _image(node, scope, spec)
    layer = make_layer(node, scope, _constant(node, scope, 1), spec, spec.y, spec.residual)
    batch = scope.type_of(node.input(0)).shape[0]
    if image.is_flat:
        return product(layer, batch * image.height * image.width)
    if image.groups == image.channels == image.columns:
        return depthwise(layer, batch, image)
    if fits(image, layer.sums):
        return winograd(layer, batch, image)
    return convolution(layer, batch, image)


def lower_gemm(node: Node, scope: Scope) -> Step:
    """skerry.qgemm."""
    spec: QGemm = node.attrs["spec"]
    weights = np.ascontiguousarray(_constant(node, scope, 1).T)
    layer = make_layer(node, scope, weights, spec, spec.y, None)
    return product(layer, scope.type_of(node.input(0)).shape[0])


def _image(node: Node, scope: Scope, spec: QConv2d) -> Image:
    _, height, width, channels = scope.type_of(node.input(0)).shape
    _, out_height, out_width, columns = scope.type_of(node.output).shape
    what = spec.conv
    return Image(
        height, width, channels, what.kernel, what.strides, what.dilations, what.pads, what.groups,
        out_height, out_width, columns,
    )  # fmt: skip


def _constant(node: Node, scope: Scope, index: int) -> NDArray[Any]:
    found = scope.constant(node.input(index))
    if found is None:
        raise refuse(node, f"expected input {index} to be a constant")
    return found


RULES: Rules = {
    "skerry.qadd": Rule(lower=lower_add, dtypes=BYTES),
    "skerry.qconv2d": Rule(lower=lower_conv, dtypes=BYTES),
    "skerry.qgemm": Rule(lower=lower_gemm, dtypes=BYTES),
    "skerry.qmul": Rule(lower=lower_mul, dtypes=BYTES),
    "skerry.qpool": Rule(lower=lower_pool, dtypes=BYTES),
    "skerry.qtable": Rule(lower=lower_table, dtypes=BYTES),
}
