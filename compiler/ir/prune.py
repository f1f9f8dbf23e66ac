"""Dead nodes, constants and types are dropped. Requires and ensures the grammar; outputs stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compiler.ir.graph import IrGraph, Node


def prune(graph: IrGraph) -> IrGraph:
    """The graph with nothing in it that no output needs. Inputs stay."""
    needed = set(graph.outputs)
    nodes = _needed_nodes(graph, needed)
    live = replace(graph, nodes=nodes)
    used = set(_mentioned(live))
    return replace(
        live,
        types={name: kind for name, kind in graph.types.items() if name in used},
        constants={name: array for name, array in graph.constants.items() if name in needed},
    )


def _needed_nodes(graph: IrGraph, needed: set[str]) -> tuple[Node, ...]:
    """Nodes that give something in ``needed``, which grows by what they read."""
    kept = []
    for node in reversed(graph.nodes):
        if needed.isdisjoint(filter(None, node.outputs)):
            continue
        needed.update(filter(None, node.inputs))
        bodies = {}
        for name, body in node.bodies.items():
            needed.update(body.outputs)
            bodies[name] = replace(body, nodes=_needed_nodes(body, needed))
        kept.append(replace(node, bodies=bodies) if bodies else node)
    return tuple(reversed(kept))


def _mentioned(graph: IrGraph) -> Iterator[str]:
    yield from (*graph.inputs, *graph.outputs)
    for node in graph.nodes:
        yield from (*node.inputs, *node.outputs)
        for body in node.bodies.values():
            yield from _mentioned(body)
