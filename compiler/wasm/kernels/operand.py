"""Operands of a loop nest: how a tensor is walked through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_bundle.tensor import DType


@dataclass(frozen=True, kw_only=True)
class Operand:
    """A tensor as the nest walks through it: per dimension the *elements* from one index to the next.

    0 where it is broadcast, negative to go backwards; the walk begins ``offset`` elements behind ``address``.
    """

    address: int
    dtype: DType
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def start(self) -> int:
        """Address of the first element read or written."""
        return self.address + self.offset * self.dtype.itemsize

    @property
    def steps(self) -> tuple[int, ...]:
        """The strides in bytes."""
        return tuple(stride * self.dtype.itemsize for stride in self.strides)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a tensor in C order, in elements."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def broadcast(shape: Sequence[int], to: Sequence[int]) -> tuple[int, ...]:
    """Strides that read a tensor of ``shape`` as if it had the shape ``to`` (ONNX multidirectional broadcasting)."""
    lead = len(to) - len(shape)
    own = contiguous(shape)
    return (0,) * lead + tuple(0 if size == 1 else stride for size, stride in zip(shape, own, strict=True))
