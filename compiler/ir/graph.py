"""The graph IR: what an ONNX model is once every dtype, shape and name is known.

Grammar (``check_graph`` in ``check.py`` holds a graph against it after every pass)::

    graph    = inputs outputs node* types constants
    node     = op name input* output* attribute* body*      op: an ONNX operator, or an internal one ("skerry.conv2d")
    input    = value | ""                                   "" leaves an optional input out
    output   = value | ""
    body     = attribute-name graph                         a branch or loop body; reads values of the graphs around it
    types    = value -> dtype shape                         shape: sizes of at least 0, none open
    constants = value -> array                              dtype and shape as in types

Every value is defined once in the whole model (graph input, constant, or node output), before its first use; nodes
stand in execution order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_bundle.tensor import DType

Attribute: TypeAlias = Any
"""int, float, str, tuples of them, an array; for internal operators a record of ``compiler/wasm/specs.py``."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """Dtype and static shape of a value."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes, without padding."""
        return self.size * self.dtype.itemsize

    @property
    def rank(self) -> int:
        """Dimensions."""
        return len(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.value} {list(self.shape)}"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operation. ``inputs`` and ``outputs`` are value names; an empty name is an optional one left out."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Attribute] = field(default_factory=dict)
    bodies: Mapping[str, IrGraph] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    def input(self, index: int) -> str:
        """The input at that place, ``""`` when it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(frozen=True, kw_only=True)
class IrGraph:
    """A graph of the grammar above. Passes return a new one; nothing in it is changed in place.

    ``types`` covers every value of this graph and of the bodies in it. ``constants`` are read-only arrays. Both stand
    with the main graph only: those of a body are empty.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    types: Mapping[str, ValueType]
    constants: Mapping[str, NDArray[Any]] = field(repr=False)
    opset: int

    def walk(self) -> Iterator[Node]:
        """Every node, those of bodies after the node that holds them."""
        for node in self.nodes:
            yield node
            for body in node.bodies.values():
                yield from body.walk()

    def users(self) -> dict[str, list[Node]]:
        """Value -> nodes that read it, those of bodies included; a node reads what its bodies give."""
        found: dict[str, list[Node]] = {}
        for node in self.walk():
            given = (name for body in node.bodies.values() for name in body.outputs)
            for name in dict.fromkeys((*node.inputs, *given)):
                if name:
                    found.setdefault(name, []).append(node)
        return found

    def makers(self) -> dict[str, Node]:
        """Value -> the node of this graph (not of its bodies) that gives it."""
        return {name: node for node in self.nodes for name in node.outputs if name}


def constant_type(array: NDArray[Any]) -> ValueType:
    """The type of a constant.

    Raises ``KeyError`` for a numpy dtype that no ``DType`` stands for.
    """
    return ValueType(_DTYPES[array.dtype.newbyteorder("<") if array.dtype.itemsize > 1 else array.dtype], array.shape)


_DTYPES: dict[np.dtype[Any], DType] = {np.dtype(dtype.numpy_name): dtype for dtype in DType}
