"""Pass ``products``: matrix products with known weights become ``skerry.gemm``.

Requires: a checked graph.
Ensures:
    1. every float32 ``Gemm`` whose ``B`` is a weight is a ``skerry.gemm`` with ``B`` as [K, N] and alpha folded in; its
       ``C`` is the bias (known, the same in every row) or the residual (any other of the result's shape);
    2. every float32 ``MatMul`` by a weight of rank 2 is a ``skerry.gemm`` over all leading dimensions, between views;
    3. products of two unknown matrices stay as they are.
"""

from __future__ import annotations

import numpy as np

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.draft import MATRIX, Draft, float_type
from compiler.wasm.passes.weight_tensor import is_weight, rearranged
from compiler.wasm.specs import Gemm
from edge_bundle.tensor import DType

NAME = "products"


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Rewrite every product that the rules cover."""
    draft = Draft(graph)
    for node in graph.nodes:
        if not (_known(draft, node) and (_gemm(draft, node) if node.op == "Gemm" else _matmul(draft, node))):
            draft.emit(node)
    return draft.finish()


def _known(draft: Draft, node: Node) -> bool:
    if node.op not in ("Gemm", "MatMul") or draft.types[node.output].dtype is not DType.FP32:
        return False
    sizes = draft.types[node.input(0)].size * draft.types[node.input(1)].size
    return sizes > 0 and draft.types[node.input(1)].rank == MATRIX and is_weight(draft, node.input(1))


def _gemm(draft: Draft, node: Node) -> bool:
    """Rule 1."""
    alpha, beta = float(node.attrs.get("alpha", 1.0)), float(node.attrs.get("beta", 1.0))
    bias, residual = _addend(draft, node, beta)
    if alpha != 1.0 and draft.floats(node.input(1)) is None:
        return False
    if node.input(2) and beta != 0.0 and not bias and not residual:
        return False
    weight = node.input(1)
    if node.attrs.get("transB", 0):
        weight = rearranged(draft, weight, np.transpose, draft.fresh(f"{node.output}/weights"), axis=1)
    if alpha != 1.0:
        scaled = draft.constants[weight] * np.float32(alpha)
        weight = draft.new_constant(f"{node.output}/weights", scaled)
    left = node.input(0)
    if node.attrs.get("transA", 0):
        rows, columns = draft.types[left].shape
        left = draft.add("Transpose", (left,), draft.fresh(f"{left}/t"), float_type((columns, rows)), perm=(1, 0))
    inputs = (left, weight, bias, residual)
    draft.emit(Node(op="skerry.gemm", name=node.name, inputs=inputs, outputs=node.outputs, attrs={"spec": Gemm()}))
    return True


def _addend(draft: Draft, node: Node, beta: float) -> tuple[str, str]:
    """Bias and residual that ``C`` stands for; both empty when it is neither."""
    name, shape = node.input(2), draft.types[node.output].shape
    if not name or beta == 0.0:
        return "", ""
    kind = draft.types[name]
    array = draft.floats(name)
    if array is not None and (kind.rank < MATRIX or kind.shape[0] == 1):
        row = np.broadcast_to(array.reshape(-1), (shape[1],)) * np.float32(beta)
        return (name if kind.shape == (shape[1],) and beta == 1.0 else draft.new_constant(f"{name}/row", row)), ""
    if beta != 1.0:
        return "", ""
    if array is None and is_weight(draft, name) and kind.size == shape[1] and kind.shape[-1:] == (shape[1],):
        if kind.rank == 1:
            return name, ""
        return rearranged(draft, name, np.ravel, draft.fresh(f"{name}/row"), axis=0), ""
    return "", name if kind.shape == shape else ""


def _matmul(draft: Draft, node: Node) -> bool:
    """Rule 2."""
    left, out = draft.types[node.input(0)], draft.types[node.output]
    depth, columns = draft.types[node.input(1)].shape
    rows = left.size // depth
    source, result = node.input(0), node.output
    if left.rank != MATRIX:
        source = draft.reshaped(source, (rows, depth), draft.fresh(f"{source}/rows"))
        result = draft.fresh(f"{node.output}/rows")
        draft.types[result] = float_type((rows, columns))
    inputs = (source, node.input(1), "", "")
    draft.emit(Node(op="skerry.gemm", name=node.name, inputs=inputs, outputs=(result,), attrs={"spec": Gemm()}))
    if left.rank != MATRIX:
        draft.emit(
            Node(
                op="Reshape",
                name=draft.node_name(node.output),
                inputs=(result, draft.shape_constant(node.output, out.shape)),
                outputs=node.outputs,
            )
        )
    return True
