"""Pass ``sink``: elementwise work is done before a view, so that it lies next to what made its operand.

Requires: a checked graph; views are ``Reshape``.
Ensures:
    1. an elementwise node whose operands are each a ``Reshape`` that only it reads (all from one shape), a single
       element, or a row along a last dimension that the view keeps, works on the sources of the views, and one view
       comes behind it.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.carried import ELEMENTWISE
from compiler.wasm.passes.draft import Draft

NAME = "sink"

_QUANTIZATION = frozenset({"QuantizeLinear", "DequantizeLinear"})


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Move every view that the rules cover."""
    draft = Draft(graph)
    own_use = {name for name in graph.types if draft.only_use(name)}
    for node in graph.nodes:
        moved = _sunk(draft, node, own_use)
        if moved is None:
            draft.emit(node)
            continue
        shape = draft.types[moved[1]].shape
        output = draft.fresh(f"{node.output}@sunk")
        draft.types[output] = ValueType(draft.types[node.output].dtype, shape)
        draft.emit(replace(node, inputs=moved[0], outputs=(output,)))
        draft.reshaped(output, draft.types[node.output].shape, node.output)
    return draft.finish()


def _sunk(draft: Draft, node: Node, own_use: set[str]) -> tuple[tuple[str, ...], str] | None:
    """The operands in front of their views, and one of the sources; ``None`` when the node stays."""
    reads = node.inputs if node.op in ELEMENTWISE else node.inputs[:1] if node.op in _QUANTIZATION else ()
    if not reads or (node.op in _QUANTIZATION and draft.types[node.input(1)].size != 1):
        return None
    sources = {name: source for name in reads if (source := _source(draft, name, own_use))}
    shapes = {draft.types[source].shape for source in sources.values()}
    if len(shapes) != 1:
        return None
    inner, outer = shapes.pop(), draft.types[node.output].shape
    for name in reads:
        if name in sources:
            if draft.types[name].shape != outer:
                return None
        elif name and not _along_last(draft, name, inner, outer):
            return None
    return tuple(sources.get(name, name) for name in node.inputs), next(iter(sources.values()))


def _source(draft: Draft, value: str, own_use: set[str]) -> str:
    maker = draft.maker(value)
    return maker.input(0) if maker is not None and maker.op == "Reshape" and value in own_use else ""


def _along_last(draft: Draft, value: str, inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    kind = draft.types[value]
    if kind.size == 1:
        return kind.rank <= min(len(inner), len(outer))
    return bool(inner and outer) and inner[-1] == outer[-1] and kind.shape == (inner[-1],)
