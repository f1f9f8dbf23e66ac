"""Branches and loop bodies: read as graphs of their own, or into the graph around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.importer.attributes import bodies_of
from compiler.importer.call import Call, NodeReader, Scope
from compiler.importer.tensors import initial_array
from compiler.ir.graph import IrGraph, Node, ValueType


@dataclass(frozen=True)
class Body:
    """A body that has been read: its values for inputs and outputs, and its nodes if they are apart."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]

    def graph(self, opset: int) -> IrGraph:
        """The graph of a node's body; types and constants stand with the whole model's."""
        return IrGraph(inputs=self.inputs, outputs=self.outputs, nodes=self.nodes, types={}, constants={}, opset=opset)


def read_apart(call: Call, attribute: str, reader: NodeReader, kinds: Sequence[ValueType]) -> Body:
    """The body as a graph whose inputs have the types given."""
    scope = _scope(call, [])
    names = _input_names(call, attribute, len(kinds))
    inputs = tuple(scope.define(name, kind) for name, kind in zip(names, kinds, strict=True))
    return Body(inputs, _read(call, attribute, reader, scope), tuple(scope.nodes))


def read_inline(call: Call, attribute: str, reader: NodeReader, inputs: Sequence[str]) -> tuple[str, ...]:
    """The body's nodes among those around the node, with values for its inputs; gives the values of its outputs."""
    scope = _scope(call, call.scope.nodes)
    scope.names.update(zip(_input_names(call, attribute, len(inputs)), inputs, strict=True))
    return _read(call, attribute, reader, scope)


def _scope(call: Call, nodes: list[Node]) -> Scope:
    outer = call.scope
    return Scope(
        values=outer.values, opsets=outer.opsets, stage=outer.stage, nodes=nodes, parent=outer, prefix=outer.prefix,
        depth=outer.depth,
    )  # fmt: skip


def _input_names(call: Call, attribute: str, count: int) -> list[str]:
    graph = bodies_of(call.proto).get(attribute)
    if graph is None:
        raise call.fault(f"expected a graph as attribute {attribute!r}, got none")
    if len(graph.input) != count:
        raise call.fault(f"{attribute}: expected a graph of {count} inputs, got {len(graph.input)}")
    return [value.name for value in graph.input]


def _read(call: Call, attribute: str, reader: NodeReader, scope: Scope) -> tuple[str, ...]:
    graph = bodies_of(call.proto)[attribute]
    if graph.sparse_initializer:
        raise call.refuse("a sparse tensor in its body")
    for tensor in graph.initializer:
        scope.define_constant(tensor.name, initial_array(tensor, scope.stage))
    reader.read_all(graph.node, scope)
    return tuple(_found(call, scope, value.name) for value in graph.output)


def _found(call: Call, scope: Scope, name: str) -> str:
    value = scope.find(name)
    if not value:
        raise call.fault(f"expected a body that gives {name!r}, got none")
    return value
