"""Matrix products of two float32 activations."""

from __future__ import annotations

import math

from compiler.ir.graph import Node
from compiler.wasm.kernels.f32.matmul import MatmulShape, matmul_function
from compiler.wasm.kernels.f32.tiles import gemm_tile
from compiler.wasm.ops import products
from compiler.wasm.ops.kernel_step import Kernel, kernel_step
from compiler.wasm.ops.rule import Rule, Rules, Scope
from compiler.wasm.step import Step
from edge_bundle.tensor import DType

MATRIX = 2
"""Rank of a matrix."""


def matmul(node: Node, scope: Scope) -> Step:
    """``MatMul`` of float32 matrices, batch by batch; other dtypes and broadcasts take the form for any shape."""
    a, b = (scope.type_of(node.input(index)) for index in (0, 1))
    if a.dtype is not DType.FP32 or min(a.rank, b.rank) < MATRIX or not a.size * b.size:
        return products.matmul(node, scope)
    batches = [math.prod(kind.shape[:-2]) for kind in (a, b)]
    same = a.shape[:-2] == b.shape[:-2]
    if not same and 1 not in batches:
        return products.matmul(node, scope)
    (rows, depth), columns = a.shape[-2:], b.shape[-1]
    tile = gemm_tile(rows, depth, columns, 1)
    shape = MatmulShape(max(batches), rows, depth, columns, batches[0] > 1, batches[1] > 1, tile)
    return kernel_step(
        node,
        Kernel(
            op="matmul_f32",
            key=shape.key,
            build=lambda module, name: matmul_function(module, name, shape),
            scratch=shape.scratch,
        ),
        constants={},
        flops=2 * shape.batches * rows * depth * columns,
        second=node.input(1),
        in_place=False,
    )


RULES: Rules = {"MatMul": Rule(lower=matmul, dtypes=products.NUMBERS)}
"""The operators of this family."""
