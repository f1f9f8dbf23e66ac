"""A graph under rewriting: nodes are appended in order, replaced or removed; ``finish`` gives the new graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.free_name import free_name
from compiler.ir.graph import Attribute, IrGraph, Node, ValueType, constant_type
from compiler.ir.prune import prune
from edge_bundle.tensor import DType

MATRIX, LINE, IMAGE = 2, 3, 4
"""Ranks: [rows, columns], [N, C, L] and [N, C, H, W]."""


class Draft:
    """The new form of ``source``. ``types`` and ``constants`` start as the source's and only grow.

    Use counts are those of the source: nodes emitted under new names are not counted.
    """

    def __init__(self, source: IrGraph) -> None:
        self.source = source
        self.types = dict(source.types)
        self.constants = dict(source.constants)
        self.captured = frozenset(name for node in source.nodes for name in captured(node))
        self._uses = _use_counts(source)
        self._nodes: list[Node | None] = []
        self._place: dict[str, int] = {}
        self._once: dict[str, str] = {}
        self._node_names = {node.name for node in source.walk()}

    def emit(self, node: Node) -> None:
        """Append a node."""
        for name in filter(None, node.outputs):
            self._place[name] = len(self._nodes)
        self._nodes.append(node)

    def add(self, op: str, inputs: tuple[str, ...], output: str, kind: ValueType, **attrs: Attribute) -> str:
        """Append a node with one new output, named after it, and return the output's name."""
        self.types[output] = kind
        self.emit(Node(op=op, name=self.node_name(output), inputs=inputs, outputs=(output,), attrs=attrs))
        return output

    def take_over(
        self, node: Node, op: str, inputs: tuple[str, ...], output: str, kind: ValueType, **attrs: Attribute
    ) -> str:
        """Append a node that does another form of ``node``'s work under its name, and return the new output's name.

        The old node must have no reader left.
        """
        self.types[output] = kind
        self.emit(Node(op=op, name=node.name, inputs=inputs, outputs=(output,), attrs=attrs))
        return output

    def maker(self, value: str) -> Node | None:
        """The emitted node that gives the value."""
        place = self._place.get(value)
        return None if place is None else self._nodes[place]

    def place(self, value: str) -> int:
        """Where in the order its node stands; -1 for inputs and constants."""
        return self._place.get(value, -1)

    def replace(self, old: Node, new: Node) -> None:
        """Put ``new`` in the place of ``old``; it may give other values."""
        place = self._place[_named(old)]
        for name in old.outputs:
            self._place.pop(name, None)
        for name in filter(None, new.outputs):
            self._place[name] = place
        self._nodes[place] = new

    def move_to_end(self, old: Node, new: Node) -> None:
        """Remove ``old`` and append ``new``, which does its work."""
        self.remove(old)
        self.emit(new)

    def remove(self, node: Node) -> None:
        """Take an emitted node out again."""
        self._nodes[self._place[_named(node)]] = None
        for name in node.outputs:
            self._place.pop(name, None)

    def uses(self, value: str) -> int:
        """Reads of a value of the source, outputs of the graph included."""
        return self._uses[value]

    def only_use(self, value: str) -> bool:
        """Whether exactly one node reads the value, once, and it is no output of the graph."""
        return self._uses[value] == 1

    def constant(self, value: str) -> NDArray[Any] | None:
        """The value if it is known."""
        return self.constants.get(value)

    def floats(self, value: str) -> NDArray[np.float32] | None:
        """The value if it is a known float32 tensor."""
        array = self.constants.get(value)
        return array if array is not None and array.dtype == np.float32 else None

    def fresh(self, base: str) -> str:
        """A value name that is not taken, like ``base``."""
        return free_name(base, self.types)

    def node_name(self, base: str) -> str:
        """A node name that is not taken, like ``base``."""
        name = free_name(base, self._node_names)
        self._node_names.add(name)
        return name

    def new_constant(self, base: str, array: NDArray[Any]) -> str:
        """A new constant named like ``base``."""
        name = self.fresh(base)
        held = np.ascontiguousarray(array).reshape(array.shape)
        held.setflags(write=False)
        self.constants[name] = held
        self.types[name] = constant_type(held)
        return name

    def held_constant(self, name: str, array: NDArray[Any]) -> str:
        """A constant that is made the first time it is asked for; ``name`` says what it holds."""
        return self.once(name, lambda: self.new_constant(name, array))

    def once(self, key: str, make: Callable[[], str]) -> str:
        """The value that ``make`` gave for this key, made now or before."""
        if key not in self._once:
            self._once[key] = make()
        return self._once[key]

    def reshaped(self, value: str, shape: tuple[int, ...], output: str) -> str:
        """A view of the value in another shape, given by a new ``Reshape`` node."""
        kind = ValueType(self.types[value].dtype, shape)
        return self.add("Reshape", (value, self.shape_constant(output, shape)), output, kind)

    def shape_constant(self, output: str, shape: tuple[int, ...]) -> str:
        """The shape as an int64 constant, for the ``Reshape`` that gives ``output``."""
        return self.new_constant(f"{output}/shape", np.array(shape, dtype=np.int64))

    def finish(self) -> IrGraph:
        """The new graph, without nodes, constants and types that nothing needs."""
        nodes = tuple(node for node in self._nodes if node is not None)
        return prune(replace(self.source, nodes=nodes, types=self.types, constants=self.constants))


def _named(node: Node) -> str:
    return next(filter(None, node.outputs))


def captured(node: Node) -> Iterator[str]:
    """Values that the bodies of a node read, at any depth; those they define themselves included."""
    for body in node.bodies.values():
        yield from body.outputs
        for inner in body.nodes:
            yield from filter(None, inner.inputs)
            yield from captured(inner)


def scalar(array: NDArray[Any] | None) -> float | None:
    """The element of a one-element array."""
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def float_type(shape: tuple[int, ...]) -> ValueType:
    """A float32 type."""
    return ValueType(DType.FP32, shape)


def with_inputs(node: Node, changes: Mapping[int, str]) -> Node:
    """The node with some inputs exchanged."""
    return replace(node, inputs=tuple(changes.get(index, name) for index, name in enumerate(node.inputs)))


def _use_counts(graph: IrGraph) -> Counter[str]:
    uses = Counter(name for node in graph.nodes for name in node.inputs if name)
    uses.update(graph.outputs)
    uses.update(name for node in graph.nodes for name in captured(node))
    return uses
