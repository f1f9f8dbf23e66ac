"""Optional outputs that nobody reads are left out, so that kernels need not make them."""

from __future__ import annotations

from dataclasses import replace

from onnx import defs

from compiler.importer.control import CONTROL
from compiler.ir.graph import IrGraph, Node


def without_unused_outputs(graph: IrGraph) -> IrGraph:
    """The graph with ``""`` for such outputs, at the end of a list nothing; bodies included.

    An operator with bodies keeps the length of its list.
    """
    used = set(graph.outputs) | set(graph.users())
    return replace(graph, nodes=_trimmed(graph.nodes, used))


def _trimmed(nodes: tuple[Node, ...], used: set[str]) -> tuple[Node, ...]:
    return tuple(_node(node, used) for node in nodes)


def _node(node: Node, used: set[str]) -> Node:
    if len(node.outputs) == 1 and not node.bodies:
        return node
    bodies = {key: replace(body, nodes=_trimmed(body.nodes, used)) for key, body in node.bodies.items()}
    outputs = [name if name in used or not _optional(node, index) else "" for index, name in enumerate(node.outputs)]
    while outputs and not outputs[-1] and node.op not in CONTROL:
        outputs.pop()
    return replace(node, outputs=tuple(outputs), bodies=bodies)


def _optional(node: Node, index: int) -> bool:
    if node.op in CONTROL:
        return True
    outputs = defs.get_schema(node.op).outputs
    return index < len(outputs) and outputs[index].option == defs.OpSchema.FormalParameterOption.Optional
