"""Passes reach bodies: each body is taken through them as a graph of its own, and put back.

The body's inputs are then its own and what it reads of the graphs around it; constants stay constants. Names that the
passes made are changed where another value or node of the whole model has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from numpy.typing import NDArray

from compiler.ir.free_name import free_name
from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.ir.prune import prune
from compiler.ir.rename import rename

Transform: TypeAlias = Callable[[IrGraph], IrGraph]


def transformed_bodies(graph: IrGraph, transform: Transform) -> IrGraph:
    """The graph with every body of its nodes transformed; bodies inside bodies are ``transform``'s matter."""
    if not any(node.bodies for node in graph.nodes):
        return graph
    whole = _Whole(graph)
    nodes = tuple(whole.transformed(node, transform) if node.bodies else node for node in graph.nodes)
    return prune(replace(graph, nodes=nodes, types=whole.types, constants=whole.constants))


class _Whole:
    """Types, constants and names of the main graph, growing with each body."""

    def __init__(self, graph: IrGraph) -> None:
        self.types: dict[str, ValueType] = dict(graph.types)
        self.constants: dict[str, NDArray[Any]] = dict(graph.constants)
        self.node_names = {node.name for node in graph.walk()}

    def transformed(self, node: Node, transform: Transform) -> Node:
        """The node with new bodies."""
        return replace(node, bodies={key: self._body(body, transform) for key, body in node.bodies.items()})

    def _body(self, body: IrGraph, transform: Transform) -> IrGraph:
        old = {*_values(body), *body.inputs, *body.outputs}
        outer = tuple(name for name in sorted(_read(body)) if name not in self.constants)
        apart = replace(body, inputs=(*body.inputs, *outer), types=self.types, constants=self.constants)
        made = transform(prune(apart))
        new = [name for name in made.types if name not in old]
        made = rename(made, _changed(new, self.types))
        self.types.update(made.types)
        self.constants.update(made.constants)
        names = _changed([node.name for node in made.walk() if node.name not in self._own(body)], self.node_names)
        self.node_names.update(names.get(node.name, node.name) for node in made.walk())
        return replace(body, nodes=_relabelled(made.nodes, names))

    @staticmethod
    def _own(body: IrGraph) -> set[str]:
        return {node.name for node in body.walk()}


def _changed(names: list[str], taken: Iterable[str]) -> dict[str, str]:
    """New names for those that are taken."""
    found: dict[str, str] = {}
    held = {*taken}
    for name in names:
        other = free_name(name, held)
        if other != name:
            found[name] = other
            held.add(other)
    return found


def _relabelled(nodes: tuple[Node, ...], names: Mapping[str, str]) -> tuple[Node, ...]:
    return tuple(
        replace(
            node,
            name=names.get(node.name, node.name),
            bodies={key: replace(body, nodes=_relabelled(body.nodes, names)) for key, body in node.bodies.items()},
        )
        for node in nodes
    )


def _values(graph: IrGraph) -> Iterator[str]:
    """Every value that nodes of the graph or of bodies in it read or give."""
    for node in graph.walk():
        yield from filter(None, (*node.inputs, *node.outputs))
        for body in node.bodies.values():
            yield from (*body.inputs, *body.outputs)


def _read(body: IrGraph) -> set[str]:
    """What the body reads of the graphs around it."""
    made = {*body.inputs}
    for node in body.walk():
        made.update(node.outputs)
        for inner in node.bodies.values():
            made.update(inner.inputs)
    return {name for name in (*_values(body), *body.outputs) if name not in made}
