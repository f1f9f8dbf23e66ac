"""Pass ``affine``: scales and shifts per channel go into the convolution or product in front of them.

Requires: a checked graph.
Ensures:
    1. no ``BatchNormalization`` with known parameters is left: it is part of a ``Conv`` or ``skerry.gemm`` that only it
       read, or else a ``Mul`` and an ``Add``;
    2. ``Mul``, ``Div``, ``Add`` and ``Sub`` by a constant per channel are folded into such a node too;
    3. folded weights are computed in float64 and rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.draft import MATRIX, Draft
from edge_bundle.tensor import DType

NAME = "affine"


@dataclass(frozen=True)
class _Affine:
    """``x * factor + shift`` per channel, float64 [channels]; what is left is always 1 or 0."""

    factor: NDArray[np.float64] = field(repr=False)
    shift: NDArray[np.float64] = field(repr=False)


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Fold where the rules allow it."""
    draft = Draft(graph)
    for node in graph.nodes:
        source, affine = _affine(draft, node)
        if affine is None:
            draft.emit(node)
        elif not _fold(draft, source, affine, node):
            if node.op == "BatchNormalization":
                _spell_out(draft, node, affine)
            else:
                draft.emit(node)
    return draft.finish()


def _affine(draft: Draft, node: Node) -> tuple[str, _Affine | None]:
    """What the node does to each channel (dimension 1) of which input, if it is that simple."""
    if node.op not in ("Add", "BatchNormalization", "Div", "Mul", "Sub"):
        return "", None
    if draft.types[node.output].dtype is not DType.FP32 or draft.types[node.output].rank < MATRIX:
        return "", None
    if node.op == "BatchNormalization":
        return node.input(0), _batch_norm(draft, node)
    source, other = node.input(0), node.input(1)
    if node.op in ("Add", "Mul") and draft.floats(other) is None:
        source, other = other, source
    values = _per_channel(draft, other, draft.types[node.output].shape)
    if values is None or draft.types[source].shape != draft.types[node.output].shape:
        return "", None
    one, zero = np.ones_like(values), np.zeros_like(values)
    if node.op in ("Add", "Sub"):
        return source, _Affine(one, values if node.op == "Add" else -values)
    return source, _Affine(values if node.op == "Mul" else one / values, zero)


def _batch_norm(draft: Draft, node: Node) -> _Affine | None:
    known = [draft.floats(node.input(index)) for index in range(1, 5)]
    scale, bias, mean, variance = (None if array is None else array.astype(np.float64) for array in known)
    if scale is None or bias is None or mean is None or variance is None:
        return None
    if node.attrs.get("training_mode", 0) or any(node.outputs[1:]):
        return None
    factor = scale / np.sqrt(variance + float(node.attrs.get("epsilon", 1e-5)))
    return _Affine(factor, bias - mean * factor)


def _per_channel(draft: Draft, value: str, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """A constant that differs only along dimension 1, as [channels]."""
    array = draft.floats(value)
    if array is None or array.ndim > len(shape):
        return None
    full = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    if full.size != full.shape[1] or full.shape[1] not in (1, shape[1]):
        return None
    return np.broadcast_to(full.reshape(-1), (shape[1],)).astype(np.float64)


def _fold(draft: Draft, source: str, affine: _Affine, node: Node) -> bool:
    """Put it into the node that makes ``source``; ``False`` when that is impossible."""
    maker = draft.maker(source)
    if maker is None or maker.op not in ("Conv", "skerry.gemm") or not draft.only_use(source) or maker.input(3):
        return False
    weights, bias = draft.floats(maker.input(1)), draft.floats(maker.input(2))
    if weights is None or (maker.input(2) and bias is None) or not np.isfinite(affine.factor).all():
        return False
    shape = (-1, *(1,) * (weights.ndim - 1)) if maker.op == "Conv" else (1, -1)
    old = np.zeros_like(affine.shift) if bias is None else bias.astype(np.float64)
    names = [maker.input(0), maker.input(1), ""]
    if (affine.factor != 1.0).any():
        scaled = (weights * affine.factor.reshape(shape)).astype(np.float32)
        names[1] = draft.new_constant(f"{node.output}/weights", scaled)
    names[2] = draft.new_constant(f"{node.output}/bias", (old * affine.factor + affine.shift).astype(np.float32))
    draft.replace(maker, replace(maker, inputs=tuple(names), outputs=node.outputs[:1]))
    return True


def _spell_out(draft: Draft, node: Node, affine: _Affine) -> None:
    kind = draft.types[node.output]
    shape = (-1, *(1,) * (kind.rank - 2))
    factor = draft.new_constant(f"{node.output}/factor", affine.factor.astype(np.float32).reshape(shape))
    shift = draft.new_constant(f"{node.output}/shift", affine.shift.astype(np.float32).reshape(shape))
    product = draft.fresh(f"{node.output}/product")
    draft.add("Mul", (node.input(0), factor), product, ValueType(kind.dtype, kind.shape))
    draft.emit(Node(op="Add", name=node.name, inputs=(product, shift), outputs=node.outputs[:1]))
