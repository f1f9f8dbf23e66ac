"""Pass ``views``: nodes that move no data get one spelling, and those that do nothing go.

Requires: a checked graph.
Ensures:
    1. ``Identity`` and ``Dropout`` (inference) are gone, but for those that give a graph output or a captured value;
    2. ``Flatten``, ``Squeeze`` and ``Unsqueeze`` are ``Reshape`` with a constant shape;
    3. a ``Reshape`` never reads a ``Reshape``, and none keeps its input's shape.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.draft import Draft

NAME = "views"

_SAME = frozenset({"Identity", "Dropout"})
_VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Rewrite every node of the main graph."""
    draft = Draft(graph)
    renamed: dict[str, str] = {}
    fixed = draft.captured | set(graph.outputs)
    for old in graph.nodes:
        node = replace(old, inputs=tuple(renamed.get(name, name) for name in old.inputs))
        if not _does_nothing(draft, node):
            draft.emit(_view(draft, node) if node.op in _VIEWS else node)
        elif node.output in fixed:  # rule 1
            draft.emit(replace(node, op="Identity", inputs=node.inputs[:1], outputs=node.outputs[:1], attrs={}))
        else:
            renamed[node.output] = node.input(0)
    return draft.finish()


def _does_nothing(draft: Draft, node: Node) -> bool:
    if node.op in _SAME:
        training = draft.constant(node.input(2))
        return not any(node.outputs[1:]) and not (node.input(2) and (training is None or training.any()))
    return node.op in _VIEWS and draft.types[node.input(0)].shape == draft.types[node.output].shape


def _view(draft: Draft, node: Node) -> Node:
    """Rules 2 and 3."""
    source = node.input(0)
    made_by = draft.maker(source)
    if made_by is not None and made_by.op == "Reshape":
        source = made_by.input(0)
    shape = draft.types[node.output].shape
    if 0 in shape:  # a 0 in a shape constant would mean "as the input"
        return node
    return Node(
        op="Reshape", name=node.name, inputs=(source, _shape_constant(draft, node, shape)), outputs=node.outputs
    )


def _shape_constant(draft: Draft, node: Node, shape: tuple[int, ...]) -> str:
    known = draft.constant(node.input(1)) if node.op == "Reshape" else None
    if known is not None and tuple(known.tolist()) == shape:
        return node.input(1)
    return draft.shape_constant(node.output, shape)
