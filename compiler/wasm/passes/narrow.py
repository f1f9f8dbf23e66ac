"""Pass ``narrow``: integer convolutions and products learn which stored values their input can have.

Requires: ``integers`` ran.
Ensures:
    1. ``x_limits`` of every ``skerry.qconv2d`` and ``skerry.qgemm`` holds for every input of the model; it is left open
       where the whole range of the dtype is possible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.draft import Draft
from compiler.wasm.passes.integer_moves import MOVES
from compiler.wasm.passes.quantization import BYTES, dequantized, quantized, wanted
from compiler.wasm.specs import PoolKind, QPool
from edge_bundle.tensor import DType

NAME = "narrow"

Limits: TypeAlias = tuple[int, int]
_Of: TypeAlias = Callable[[str], Limits]


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Follow the limits from what clamps to what multiplies."""
    draft = Draft(graph)
    known: dict[str, Limits] = {}

    def limits_of(value: str) -> Limits:
        array = draft.constant(value)
        if array is not None and array.size:
            return int(array.min()), int(array.max())
        return known.get(value, _whole(draft.types[value].dtype))

    for node in graph.nodes:
        draft.emit(_informed(node, limits_of))
        for name in filter(None, node.outputs):
            if draft.types[name].dtype in BYTES:
                known[name] = _result(draft, node, limits_of)
    return draft.finish()


def _whole(dtype: DType) -> Limits:
    info = np.iinfo(dtype.numpy_name)
    return int(info.min), int(info.max)


def _informed(node: Node, limits_of: _Of) -> Node:
    """Rule 1."""
    if node.op not in ("skerry.qconv2d", "skerry.qgemm"):
        return node
    spec = node.attrs["spec"]
    low, high = limits_of(node.input(0))
    found = min(low, spec.x.zero_point), max(high, spec.x.zero_point)  # padding is the zero point
    return replace(node, attrs={"spec": replace(spec, x_limits=None if found == spec.x.stored_range else found)})


def _result(draft: Draft, node: Node, limits_of: _Of) -> Limits:
    """What the node's stored results can be."""
    spec: Any = node.attrs.get("spec")
    if node.op == "skerry.qconv2d" and spec.residual is not None:
        return spec.residual.low, spec.residual.high
    if node.op in ("skerry.qconv2d", "skerry.qgemm", "skerry.qadd", "skerry.qmul"):
        return spec.low, spec.high
    if node.op == "skerry.qtable":
        return int(spec.table.min()), int(spec.table.max())
    if node.op == "skerry.qpool":
        return _pooled(spec, limits_of(node.input(0)))
    if node.op in MOVES:
        reads = [name for name in node.inputs if name and draft.types[name].dtype is draft.types[node.output].dtype]
        each = [limits_of(name) for name in reads]
        return min(low for low, _ in each), max(high for _, high in each)
    want = wanted(draft, node)
    return _whole(draft.types[node.output].dtype) if want is None else (want.low, want.high)


def _pooled(spec: QPool, source: Limits) -> Limits:
    """A maximum is one of its elements; an average lies between them, with one step for rounding."""
    if spec.pool is not None and spec.pool.kind is PoolKind.MAX:
        return source
    low, high = quantized(dequantized(np.array(source), spec.x), spec.y).tolist()
    first, last = spec.y.stored_range
    return max(first, low - 1), min(last, high + 1)
