"""Values get other names, everywhere at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compiler.ir.graph import IrGraph, Node


def rename(graph: IrGraph, names: Mapping[str, str]) -> IrGraph:
    """The graph with values renamed in nodes, bodies, types and constants; its inputs and outputs keep their names."""
    changed = {old: new for old, new in names.items() if old != new}
    if not changed:
        return graph
    return replace(
        graph,
        nodes=renamed_nodes(graph.nodes, changed),
        types={changed.get(name, name): kind for name, kind in graph.types.items()},
        constants={changed.get(name, name): array for name, array in graph.constants.items()},
    )


def renamed_nodes(nodes: tuple[Node, ...], names: Mapping[str, str]) -> tuple[Node, ...]:
    """The nodes with other names of values, bodies included."""
    return tuple(_node(node, names) for node in nodes)


def _node(node: Node, names: Mapping[str, str]) -> Node:
    return replace(
        node,
        inputs=_all(node.inputs, names),
        outputs=_all(node.outputs, names),
        bodies={key: _body(body, names) for key, body in node.bodies.items()},
    )


def _body(body: IrGraph, names: Mapping[str, str]) -> IrGraph:
    return replace(
        body,
        inputs=_all(body.inputs, names),
        outputs=_all(body.outputs, names),
        nodes=renamed_nodes(body.nodes, names),
    )


def _all(values: tuple[str, ...], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(value, value) for value in values)
