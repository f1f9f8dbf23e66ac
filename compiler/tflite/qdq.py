"""What the rules read of a graph in QDQ form: stored integers behind float values, and constants."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import IrGraph, Node
from compiler.tflite.model import Quant
from edge_bundle.tensor import DType

STORED = (DType.INT8, DType.INT16)
"""Dtypes of activations that TFLite computes with."""


@dataclass(frozen=True)
class StoredConstant:
    """Integers with their quantization: one scale, or one per index of ``axis`` (-1: one for all)."""

    array: NDArray[Any] = field(repr=False)
    scale: NDArray[np.float32] = field(repr=False)
    zero_point: NDArray[Any] = field(repr=False)
    axis: int

    @property
    def real(self) -> NDArray[np.float32]:
        """``(stored - zero point) * scale`` in float32, as ``DequantizeLinear`` has it."""
        shape = [1] * self.array.ndim
        if self.axis >= 0:
            shape[self.axis] = -1
        shifted = self.array.astype(np.int64) - self.zero_point.astype(np.int64).reshape(shape)
        real: NDArray[np.float32] = shifted.astype(np.float32) * self.scale.reshape(shape)
        return real

    @property
    def symmetric(self) -> bool:
        """Whether every zero point is 0."""
        return not self.zero_point.any()


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
        node = self.maker(value)
        if node is None or node.op != "DequantizeLinear" or node.attrs.get("block_size", 0):
            return None
        array, scale = self.constant(node.input(0)), self.constant(node.input(1))
        if array is None or scale is None:
            return None
        zero = self.constant(node.input(2)) if node.input(2) else np.zeros(scale.shape, array.dtype)
        if zero is None:
            return None
        axis = int(node.attrs.get("axis", 1)) % array.ndim if scale.ndim == 1 and scale.size > 1 else -1
        return StoredConstant(array, scale.reshape(-1).astype(np.float32), zero.reshape(-1), axis)

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
