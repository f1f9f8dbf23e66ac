"""Where a rule works: one unit, its inputs as tensors, and the way to give its result.

A rule is written once for float32 and for integers: ``read`` gives tensors of the right kind, ``emit`` makes tensors of
the dtype and quantization that the kernel gives, and ``give`` clamps and requantizes what is left to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node, ValueType
from compiler.tflite.draft import Draft
from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.model import OptionValue, Quant, Tensor
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.refused import refuse
from compiler.tflite.schema import member
from compiler.tflite.unit import FUSED, OPEN, Bounds, Unit
from compiler.tflite.values import Order, Values, first
from edge_bundle.errors import UnsupportedOperatorError


class Site:
    """One unit of the graph, to be written into ``draft``."""

    def __init__(self, unit: Unit, kernel: Kernel, graph: QdqGraph, draft: Draft, values: Values) -> None:
        self.unit, self.graph, self.draft, self.values = unit, graph, draft, values
        self._kernel = kernel
        self.quant = self._made_quant()

    @property
    def node(self) -> Node:
        """The operator."""
        return self.unit.node

    @property
    def integer(self) -> bool:
        """Whether it is computed on stored integers."""
        return self.unit.quant is not None

    @property
    def made(self) -> ValueType:
        """Dtype and shape of the operator's result, as ONNX has them."""
        return self.graph.types[self.node.output]

    def type_of(self, index: int) -> ValueType:
        """Dtype and shape of an input, as ONNX has them."""
        return self.graph.types[self.node.input(index)]

    def given(self, index: int) -> bool:
        """Whether the optional input is there."""
        return bool(self.node.input(index))

    def read(self, index: int, order: Order | None = None, *, stored: bool = False) -> int:
        """The input as a tensor, in the order that ONNX has if none is asked for.

        An activation of an integer kernel is its integers; ``stored`` says so of an input that may be weights as well.
        """
        value = self.node.input(index)
        order = first(self.graph.types[value].rank) if order is None else order
        if self.integer and (stored or index < self._kernel.activations):
            return self.values.fetch_stored(value, order)
        return self.values.fetch(value, order)

    def known(self, index: int, what: str) -> NDArray[Any]:
        """A constant input. Raises ``UnsupportedOperatorError`` if it is computed."""
        array = self.graph.floats(self.node.input(index))
        if array is None:
            raise self.refuse(f"expected known {what}, got computed ones")
        return array

    def order(self, *indices: int) -> Order:
        """The order that one of these inputs is held in and the others can be brought into: best none is moved."""
        rank = self.type_of(indices[0]).rank
        for index in indices:
            value = self.node.input(index)
            if self.graph.types[value].rank == rank and not self.graph.is_constant(value):
                orders = self.values.orders(value)
                if orders:
                    return next(iter(orders))
        return first(rank)

    def emit(
        self,
        op: str,
        inputs: Sequence[int],
        shape: tuple[int, ...],
        options: Mapping[str, OptionValue] | None = None,
        table: str = "",
    ) -> int:
        """Append an operation that makes (a part of) the result."""
        dtype = self.quant.dtype if self.quant else self.made.dtype
        like = Tensor(name=self.node.output, dtype=dtype, shape=shape, quant=self.quant)
        return self.draft.add(op, inputs, like, options, table)

    def fused(self) -> int:
        """The number of the built-in activation: the unit's, where it is one that TFLite has."""
        name = FUSED.get(self.unit.bounds, "NONE") if self._kernel.fuses else "NONE"
        return member("ActivationFunctionType", name)

    def give(self, place: int, order: Order | None = None, bounds: Bounds = OPEN) -> None:
        """The tensor is the result, in that order of its dimensions; sizes of 1 may be missing or too many.

        ``bounds`` are those of the operator itself, where stored integers are to be clamped to them.
        """
        order = first(self.made.rank) if order is None else order
        place = self.draft.reshaped(place, tuple(self.made.shape[axis] for axis in order))
        quant = self.unit.quant
        if quant is not None:
            place = self._clamped(self.draft.requantized(place, quant), quant, bounds)
            if not (self._kernel.fuses and self.unit.bounds in FUSED):
                place = self._clamped(place, quant, self.unit.bounds)
        self.values.hold(self.unit.value, order, place)

    def refuse(self, reason: str) -> UnsupportedOperatorError:
        """The error for a node that the rule does not cover, to be raised by the caller."""
        return refuse(self.node, reason)

    def _made_quant(self) -> Quant | None:
        """The quantization that the kernel gives its result."""
        wanted, kernel = self.unit.quant, self._kernel
        if wanted is None or kernel.integers is Integers.ANY:
            return wanted
        if kernel.integers is Integers.FIXED and kernel.fixed is not None:
            return Quant(*kernel.fixed[wanted.dtype], wanted.dtype)
        found = self.graph.stored(self.node.input(0))
        return None if found is None else found[1]

    def _clamped(self, place: int, quant: Quant, bounds: Bounds) -> int:
        """Quantizing keeps order, so stored values are clamped; bounds beyond the dtype's clamp nothing."""
        for bound, edge, op in zip(bounds, quant.stored_range, ("MAXIMUM", "MINIMUM"), strict=True):
            stored = stored_bound(bound, quant)
            if stored != edge:
                limit = self.draft.constant("bound", np.array(stored, quant.dtype.numpy_name), quant)
                place = self.draft.add(op, (place, limit), self.draft.tensors[place], {}, "MaximumMinimumOptions")
        return place


def stored_bound(bound: float, quant: Quant) -> int:
    """``QuantizeLinear`` of a bound: divide in float32, round half to even, add the zero point, saturate."""
    low, high = quant.stored_range
    with np.errstate(over="ignore"):
        scaled = float(np.rint(np.float32(bound) / np.float32(quant.scale))) + quant.zero_point
    return int(min(max(scaled, low), high))
