"""Pass ``transposes``: no two transposes in a row, and none that moves nothing.

Requires: a checked graph.
Ensures:
    1. a ``Transpose`` never reads a ``Transpose``;
    2. one that changes nothing is gone (an ``Identity`` where it gives a graph output or a captured value);
    3. one that only moves dimensions of size 1 is a ``Reshape``.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.draft import Draft

NAME = "transposes"


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Rewrite every ``Transpose`` of the main graph."""
    draft = Draft(graph)
    renamed: dict[str, str] = {}
    fixed = draft.captured | set(graph.outputs)
    for old in graph.nodes:
        node = replace(old, inputs=tuple(renamed.get(name, name) for name in old.inputs))
        if node.op != "Transpose":
            draft.emit(node)
            continue
        source, perm = _through(draft, node)
        if perm != tuple(range(len(perm))):
            draft.emit(_moved(draft, node, source, perm))
        elif node.output in fixed:
            draft.emit(Node(op="Identity", name=node.name, inputs=(source,), outputs=node.outputs))
        else:
            renamed[node.output] = source
    return draft.finish()


def _permutation(draft: Draft, node: Node) -> tuple[int, ...]:
    rank = draft.types[node.input(0)].rank
    return tuple(node.attrs.get("perm") or range(rank - 1, -1, -1))


def _through(draft: Draft, node: Node) -> tuple[str, tuple[int, ...]]:
    """Rule 1: what is transposed in the end, and how."""
    perm = _permutation(draft, node)
    before = draft.maker(node.input(0))
    if before is None or before.op != "Transpose":
        return node.input(0), perm
    first = _permutation(draft, before)
    return before.input(0), tuple(first[axis] for axis in perm)


def _moved(draft: Draft, node: Node, source: str, perm: tuple[int, ...]) -> Node:
    shape = draft.types[source].shape
    moving = [axis for axis in perm if shape[axis] != 1]
    if moving != sorted(moving) or 0 in shape:
        return replace(node, inputs=(source,), attrs={"perm": perm})
    target = draft.shape_constant(node.output, draft.types[node.output].shape)  # rule 3
    return Node(op="Reshape", name=node.name, inputs=(source, target), outputs=node.outputs)
