"""Matrix products of float32 by constant weights."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.f32.epilogue import Epilogue
from compiler.wasm.kernels.f32.gemm import GemmShape, gemm_function
from compiler.wasm.kernels.f32.packing import pack_bias, pack_matrix
from compiler.wasm.kernels.f32.tiles import gemm_tile
from compiler.wasm.ops.kernel_step import Kernel, kernel_step
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.specs import Gemm
from compiler.wasm.step import Step
from edge_bundle.tensor import DType


def gemm(node: Node, scope: Scope) -> Step:
    """``skerry.gemm``: constant weights [K, N]."""
    spec: Gemm = node.attrs["spec"]
    weights, bias = scope.constant(node.input(1)), scope.constant(node.input(2))
    if weights is None or (node.input(2) and bias is None):
        raise refuse(node, "expected constant weights and bias")
    if not scope.type_of(node.input(0)).size * weights.size:
        raise refuse(node, "an empty tensor")
    rows = scope.type_of(node.input(0)).shape[0]
    batch = scope.options.batch
    epilogue = Epilogue(activation=spec.activation, residual=bool(node.input(3)))
    item_rows = rows // batch if rows % batch == 0 else rows
    return gemm_step(node, weights, bias, epilogue, rows=rows, item_rows=item_rows)


def gemm_step(
    node: Node, weights: NDArray[Any], bias: NDArray[Any] | None, epilogue: Epilogue, *, rows: int, item_rows: int
) -> Step:
    """The first input as ``rows`` rows, times ``weights`` [K, N].

    ``item_rows`` of them belong to one item of the batch: the layout of the weights may depend on that, never on
    ``rows``.
    """
    depth, columns = weights.shape
    shape = GemmShape(
        rows=rows,
        depth=depth,
        columns=columns,
        a_stride=depth,
        c_stride=columns,
        tile=gemm_tile(item_rows, depth, columns, depth),
        epilogue=epilogue,
    )
    return kernel_step(
        node,
        Kernel(op="gemm_f32", key=shape.key, build=lambda module, name: gemm_function(module, name, shape)),
        constants={"w": pack_matrix(weights, shape.panels, dot=shape.tile.dot), "bias": pack_bias(bias, shape.panels)},
        flops=2 * rows * depth * columns,
        second=node.input(3),
    )


RULES: Rules = {"skerry.gemm": Rule(lower=gemm, dtypes=frozenset({DType.FP32}))}
"""The operators of this family."""
