"""Where each ONNX value lies in the TFLite model: the tensors that hold it, by the order of its dimensions.

An ``Order`` says which dimension of the value each dimension of the tensor is: (0, 2, 3, 1) is an image [N, C, H, W]
held as [N, H, W, C]. A value is brought into another order once, when something asks for it; so transposes stand only
where an operator of one order meets one of another, and at the graph's edges.
"""

from __future__ import annotations

from typing import TypeAlias

from compiler.tflite.draft import Draft
from compiler.tflite.qdq import QdqGraph
from edge_bundle.errors import CompileError

Order: TypeAlias = tuple[int, ...]


def first(rank: int) -> Order:
    """The order that ONNX has."""
    return tuple(range(rank))


def last(rank: int) -> Order:
    """Channels last."""
    return (0, *range(2, rank), 1)


class Values:
    """Tensors by value and order. Constants and dequantized values come into being when they are asked for."""

    def __init__(self, graph: QdqGraph, draft: Draft) -> None:
        self._graph = graph
        self._draft = draft
        self._held: dict[str, dict[Order, int]] = {}

    def hold(self, value: str, order: Order, place: int) -> None:
        """Say that a tensor holds the value."""
        self._held.setdefault(value, {})[order] = place

    def orders(self, value: str) -> dict[Order, int]:
        """Every order that the value, or the integers behind it, is held in."""
        if value in self._held:
            return self._held[value]
        stored = self._graph.stored(value)
        return self._held.get(stored[0], {}) if stored else {}

    def fetch(self, value: str, order: Order) -> int:
        """The tensor that holds the value in that order."""
        held = self._held.setdefault(value, {})
        if order not in held:
            held[order] = self._made(value, order)
        return held[order]

    def fetch_stored(self, value: str, order: Order) -> int:
        """The integers behind a float value."""
        found = self._graph.stored(value)
        if found is None:
            raise ValueError(f"expected {value!r} to be stored as integers")
        name, quant = found
        array = self._graph.constant(name)
        if array is not None and name not in self._held:
            self.hold(name, first(array.ndim), self._draft.constant(name, array, quant))
        place = self.fetch(name, order)
        held = self._draft.tensors[place].quant
        if held != quant:
            raise CompileError(
                stage="lower",
                detail=f"value {name!r}: expected to be read with the scale it is stored with, {held}, got {quant}",
            )
        return place

    def _made(self, value: str, order: Order) -> int:
        held = self._held[value]
        if held:
            source, place = next(iter(held.items()))
            return self._draft.transposed(place, tuple(source.index(axis) for axis in order))
        array = self._graph.floats(value)
        if array is not None:
            held[first(array.ndim)] = self._draft.constant(value, array)
            return self.fetch(value, order)
        stored = self._graph.stored(value)
        if stored is None:
            raise ValueError(f"value {value!r} is read before it is made")
        orders = self.orders(value)
        near = order if order in orders or not orders else next(iter(orders))
        held[near] = self._draft.dequantized(self.fetch_stored(value, near), value)
        return self.fetch(value, order)
