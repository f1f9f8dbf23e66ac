"""Values in both layouts: as ONNX has them (channels second), and with channels last.

``Layouts`` knows which forms of a value exist and makes the missing one when it is asked for: by a ``Transpose``, or by
a ``Reshape`` when only dimensions of size 1 change places, since that moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.ir.graph import ValueType
from compiler.wasm.passes.draft import Draft


def to_last(rank: int) -> tuple[int, ...]:
    """The permutation that puts channels last: [N, C, ...] to [N, ..., C]."""
    return (0, *range(2, rank), 1)


def to_first(rank: int) -> tuple[int, ...]:
    """Its inverse."""
    return (0, rank - 1, *range(1, rank - 1))


def moved_axis(axis: int, rank: int) -> int:
    """Where a dimension (may count from the end) lies once channels are last."""
    return to_last(rank).index(axis % rank)


class Layouts:
    """The forms of every value of a draft."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._last: dict[str, str] = {}
        self._made: set[str] = {*draft.source.inputs, *draft.constants}

    def has_last(self, value: str) -> bool:
        """Whether the channels-last form exists."""
        return value in self._last

    def note_made(self, values: Sequence[str]) -> None:
        """A node was emitted that gives these values as ONNX has them."""
        self._made.update(values)

    def new_last(self, value: str) -> str:
        """The name, with its type, of the channels-last form that the caller is about to make."""
        kind = self._draft.types[value]
        name = self._draft.fresh(f"{value}@last")
        self._draft.types[name] = ValueType(kind.dtype, tuple(kind.shape[axis] for axis in to_last(kind.rank)))
        self._last[value] = name
        return name

    def last(self, value: str) -> str:
        """The channels-last form of a value of rank 3 and more."""
        if value not in self._last:
            rank = self._draft.types[value].rank
            array = self._draft.constant(value)
            if array is not None:
                made = self._draft.new_constant(f"{value}@last", array.transpose(to_last(rank)))
            else:
                made = self._permuted(value, to_last(rank), self._draft.fresh(f"{value}@last"))
            self._last[value] = made
        return self._last[value]

    def first(self, value: str) -> str:
        """The value as ONNX has it, under its own name."""
        if value in self._last and value not in self._made:
            self._made.add(value)
            self._permuted(self._last[value], to_first(self._draft.types[value].rank), value)
        return value

    def _permuted(self, value: str, perm: tuple[int, ...], output: str) -> str:
        kind = self._draft.types[value]
        shape = tuple(kind.shape[axis] for axis in perm)
        if [axis for axis in perm if kind.shape[axis] != 1] == sorted(axis for axis in perm if kind.shape[axis] != 1):
            return self._draft.reshaped(value, shape, output)
        return self._draft.add("Transpose", (value,), output, ValueType(kind.dtype, shape), perm=perm)


def widened(draft: Draft, value: str, rank: int) -> str:
    """The value with dimensions of size 1 put in front, up to ``rank`` (what broadcasting does)."""
    kind = draft.types[value]
    if kind.rank == rank:
        return value
    shape = (*(1,) * (rank - kind.rank), *kind.shape)
    array = draft.constant(value)
    if array is not None:
        return draft.new_constant(f"{value}@wide", np.reshape(array, shape))
    return draft.reshaped(value, shape, draft.fresh(f"{value}@wide"))
