"""A float graph as the quantizer sees it: the main graph's nodes, float32 constants and shapes. No ONNX type in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Attribute


@dataclass(frozen=True, kw_only=True)
class Op:
    """One node. ``captured`` are values that its subgraphs read from the main graph."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Attribute] = field(default_factory=dict)
    captured: frozenset[str] = frozenset()

    def input(self, index: int) -> str:
        """The name of an input, empty if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(frozen=True, kw_only=True)
class Network:
    """The main graph in topological order.

    ``constants`` has every initialiser; ``shapes`` those of float32 values, ``-1`` for open dimensions; a value that
    is not in ``shapes`` is not float32, or of unknown rank.
    """

    ops: tuple[Op, ...]
    constants: Mapping[str, NDArray[Any]] = field(repr=False)
    shapes: Mapping[str, tuple[int, ...]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def makers(self) -> Mapping[str, Op]:
        """The node that gives a value, by its name."""
        return {name: op for op in self.ops for name in op.outputs if name}

    @cached_property
    def readers(self) -> Mapping[str, tuple[tuple[Op, int], ...]]:
        """Nodes and places that read a value; a subgraph that captures it reads it at place ``-1``."""
        found: dict[str, list[tuple[Op, int]]] = {}
        for op in self.ops:
            for index, name in enumerate(op.inputs):
                if name:
                    found.setdefault(name, []).append((op, index))
            for name in sorted(op.captured):
                found.setdefault(name, []).append((op, -1))
        return {name: tuple(readers) for name, readers in found.items()}

    @cached_property
    def by_name(self) -> Mapping[str, Op]:
        """Nodes by name."""
        return {op.name: op for op in self.ops}

    def is_activation(self, name: str) -> bool:
        """Whether a value is a float32 tensor that is computed, or given from outside."""
        return name in self.shapes and name not in self.constants

    def float_constant(self, name: str) -> NDArray[np.float32] | None:
        """A float32 constant."""
        array = self.constants.get(name)
        return array if array is not None and array.dtype == np.float32 else None
