"""Operands of a loop nest: how a tensor is walked through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edge_bundle.tensor import DType
from wasm_emit.function import Function
from wasm_emit.types import Expr

IndexCode: TypeAlias = Callable[[Function, Sequence[Expr]], Expr]
"""From the indices of every dimension of the shape (only those in ``Index.uses`` may be looked at) to an i32."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """A part of an address, or a condition, that is computed from the indices of the dimensions ``uses``."""

    uses: frozenset[int]
    code: IndexCode


@dataclass(frozen=True, kw_only=True)
class Operand:
    """A tensor as the nest walks through it; ``strides`` and ``offset`` in elements, one stride per dimension."""

    address: int
    dtype: DType
    strides: tuple[int, ...]
    offset: int = 0
    index: Index | None = None
    guard: Index | None = None
    fill: float = 0.0

    @property
    def uses(self) -> frozenset[int]:
        """Dimensions whose indices it looks at."""
        return frozenset().union(*(part.uses for part in (self.index, self.guard) if part is not None))

    def bytes_per(self, dim: int) -> int:
        """Bytes to go on in a dimension."""
        return self.strides[dim] * self.dtype.itemsize


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
