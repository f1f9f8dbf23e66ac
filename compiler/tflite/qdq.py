"""What the rules read of a graph in QDQ form: stored integers behind float values, and constants."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import IrGraph, Node
from compiler.ir.stored_constant import StoredConstant, stored_constant
from compiler.tflite.model import Quant
from edge_bundle.tensor import DType

STORED = (DType.INT8, DType.INT16)
"""Dtypes of activations that TFLite computes with."""


class QdqGraph:
    """A graph with its makers, uses and constants at hand."""

    def __init__(self, graph: IrGraph) -> None:
        self.graph = graph
        self.types = graph.types
        self._makers = graph.makers()
        self._users = graph.users()
        self._uses = Counter(name for node in graph.nodes for name in node.inputs if name)
        self._uses.update(graph.outputs)

    def maker(self, value: str) -> Node | None:
        """The node that gives the value."""
        return self._makers.get(value)

    def only_user(self, value: str) -> Node | None:
        """The node that reads the value, if it is the only one, reads it once, and the value is no output."""
        users = self._users.get(value, [])
        return users[0] if self._uses[value] == 1 and len(users) == 1 else None

    def constant(self, value: str) -> NDArray[Any] | None:
        """A known value; ``None`` for others and for ``""``."""
        return self.graph.constants.get(value)

    def stored_constant(self, value: str) -> StoredConstant | None:
        """The integers behind a value, if a ``DequantizeLinear`` of constants makes it, not in blocks."""
        return stored_constant(self.maker(value), self.constant)

    def floats(self, value: str) -> NDArray[Any] | None:
        """A known value, dequantized where it is stored as integers."""
        array = self.constant(value)
        if array is not None:
            return array
        stored = self.stored_constant(value)
        return None if stored is None else stored.real

    def is_constant(self, value: str) -> bool:
        """Whether ``floats`` knows it."""
        return value in self.graph.constants or self.stored_constant(value) is not None

    def stored(self, value: str) -> tuple[str, Quant] | None:
        """The integer value behind a float one that a ``DequantizeLinear`` with one scale gives."""
        node = self.maker(value)
        if node is None or node.op != "DequantizeLinear":
            return None
        quant = self.quant(node, self.types[node.input(0)].dtype)
        return None if quant is None else (node.input(0), quant)

    def quant(self, node: Node, dtype: DType) -> Quant | None:
        """Scale and zero point of a ``QuantizeLinear`` or ``DequantizeLinear`` of 8 or 16 bits with one known scale."""
        scale = self.constant(node.input(1))
        zero = self.constant(node.input(2)) if node.input(2) else np.zeros(1, np.int8)
        if scale is None or zero is None or scale.size != 1 or zero.size != 1 or dtype not in STORED:
            return None
        factor, middle = float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0])
        if not (np.isfinite(factor) and factor > 0) or (dtype is DType.INT16 and middle):
            return None
        return Quant(factor, middle, dtype)
