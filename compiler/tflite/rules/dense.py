"""Matrix products: ``FULLY_CONNECTED`` with known weights, ``BATCH_MATMUL`` of two computed operands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.schema import member
from compiler.tflite.site import Site
from compiler.tflite.weights import bias, integer_weights, weights

MATRIX = 2


def _gemm(site: Site) -> None:
    attrs = site.node.attrs
    if attrs.get("transA", 0):
        raise site.refuse("a transposed first operand")
    if not site.graph.is_constant(site.node.input(1)):
        raise site.refuse("expected known weights, got computed ones")
    alpha, beta = float(attrs.get("alpha", 1.0)), float(attrs.get("beta", 1.0))
    turned = bool(attrs.get("transB", 0))

    def rows(array: NDArray[Any]) -> NDArray[Any]:
        """[columns, inner], as ``FULLY_CONNECTED`` has them."""
        held = array if turned else array.T
        return held if alpha == 1.0 else (held * np.float32(alpha)).astype(np.float32)

    columns = site.made.shape[1]
    held = weights(site, rows, 0)
    _fully_connected(site, held, _gemm_bias(site, columns, beta))


def _gemm_bias(site: Site, columns: int, beta: float) -> int:
    if not site.given(2):
        return bias(site, columns)
    array = site.known(2, "biases")
    if array.size not in (1, columns) or (array.size > 1 and array.shape[-1] != columns):
        raise site.refuse(f"expected a bias for each column, got {list(array.shape)}")
    if site.integer or beta == 1.0:
        return bias(site, columns)
    scaled = np.broadcast_to(array.reshape(-1), (columns,)) * np.float32(beta)
    return site.draft.constant(site.node.input(2), scaled.astype(np.float32))


def _fully_connected(site: Site, held: int, shift: int) -> None:
    options = {
        "fusedActivationFunction": site.fused(),
        "weightsFormat": member("FullyConnectedOptionsWeightsFormat", "DEFAULT"),
        "keepNumDims": True,
    }
    inputs = (site.read(0), held, shift)
    site.give(site.emit("FULLY_CONNECTED", inputs, site.made.shape, options, "FullyConnectedOptions"))


def _matmul(site: Site) -> None:
    right = site.type_of(1)
    if site.graph.is_constant(site.node.input(1)) and right.rank == MATRIX and site.type_of(0).rank >= MATRIX:
        held = weights(site, lambda array: array.T, 0)
        _fully_connected(site, held, bias(site, right.shape[1]))
        return
    if min(right.rank, site.type_of(0).rank) < MATRIX:
        raise site.refuse("expected matrices, got a vector")
    inputs = (site.read(0), site.read(1, stored=True))
    site.give(site.emit("BATCH_MATMUL", inputs, site.made.shape, {}, "BatchMatMulOptions"))


def _plain_gemm(graph: QdqGraph, node: Node) -> bool:
    attrs = node.attrs
    if attrs.get("transA", 0) or attrs.get("alpha", 1.0) != 1.0 or attrs.get("beta", 1.0) != 1.0:
        return False
    return integer_weights(0 if attrs.get("transB", 0) else 1)(graph, node)


def _matmul_weights(graph: QdqGraph, node: Node) -> bool:
    """Known int8 weights, or two stored activations."""
    if graph.is_constant(node.input(1)):
        return graph.types[node.input(1)].rank == MATRIX and integer_weights(1)(graph, node)
    left, right = graph.stored(node.input(0)), graph.stored(node.input(1))
    return left is not None and right is not None and left[1].dtype is right[1].dtype


RULES: Rules = {
    "Gemm": Rule(
        lower=_gemm,
        tflite=("FULLY_CONNECTED",),
        kernel=Kernel(integers=Integers.ANY, fuses=True, accepts=_plain_gemm),
        note="known weights, a bias for each column",
    ),
    "MatMul": Rule(
        lower=_matmul,
        tflite=("FULLY_CONNECTED", "BATCH_MATMUL"),
        kernel=Kernel(integers=Integers.ANY, accepts=_matmul_weights),
        note="matrices, no vectors",
    ),
}
