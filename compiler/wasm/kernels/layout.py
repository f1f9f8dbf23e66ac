"""Views of a tensor as affine maps: what a movement operator does to indices, before any code is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Layout:
    """Element ``index`` lies at byte ``start + sum(index * strides)``. Strides are bytes, may be 0 or negative."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int = 0

    @staticmethod
    def of(shape: Sequence[int], itemsize: int) -> Layout:
        """C order."""
        strides = [itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        return Layout(tuple(shape), tuple(strides))

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    def permute(self, order: Sequence[int]) -> Layout:
        """Axis ``i`` of the result is axis ``order[i]``."""
        return replace(
            self, shape=tuple(self.shape[axis] for axis in order), strides=tuple(self.strides[axis] for axis in order)
        )

    def part(self, axis: int, start: int, count: int, step: int = 1) -> Layout:
        """``count`` elements of one axis: ``start``, ``start + step``, ..; a step of 0 repeats one element."""
        return replace(
            self.with_axis(axis, count, self.strides[axis] * step), start=self.start + start * self.strides[axis]
        )

    def split(self, axis: int, sizes: Sequence[int]) -> Layout:
        """One axis seen as several, in C order."""
        inner = Layout.of(sizes, self.strides[axis])
        return replace(
            self,
            shape=(*self.shape[:axis], *sizes, *self.shape[axis + 1 :]),
            strides=(*self.strides[:axis], *inner.strides, *self.strides[axis + 1 :]),
        )

    def insert(self, axis: int, size: int) -> Layout:
        """A new axis along which everything repeats."""
        return replace(
            self,
            shape=(*self.shape[:axis], size, *self.shape[axis:]),
            strides=(*self.strides[:axis], 0, *self.strides[axis:]),
        )

    def broadcast(self, shape: Sequence[int]) -> Layout:
        """Seen in a larger shape, by ONNX's (numpy's) multidirectional broadcasting."""
        ahead = len(shape) - len(self.shape)
        strides = [
            0 if own == 1 and size != 1 else stride
            for own, size, stride in zip(self.shape, shape[ahead:], self.strides, strict=True)
        ]
        return replace(self, shape=tuple(shape), strides=(*[0] * ahead, *strides))

    def scaled(self, itemsize: int) -> Layout:
        """In bytes, where this one counts elements."""
        return replace(self, strides=tuple(stride * itemsize for stride in self.strides), start=self.start * itemsize)

    def with_axis(self, axis: int, size: int, stride: int) -> Layout:
        """One axis replaced."""
        return replace(
            self,
            shape=(*self.shape[:axis], size, *self.shape[axis + 1 :]),
            strides=(*self.strides[:axis], stride, *self.strides[axis + 1 :]),
        )


def merge(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Fewer axes with the same walk: axes of size 1 go, neighbours that every layout passes through evenly are joined.

    ``strides`` holds one sequence for each layout; the result does too.
    """
    sizes: list[int] = []
    kept: list[list[int]] = [[] for _ in strides]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        steps = [one[axis] for one in strides]
        if sizes and all(own[-1] == step * size for own, step in zip(kept, steps, strict=True)):
            sizes[-1] *= size
            for own, step in zip(kept, steps, strict=True):
                own[-1] = step
        else:
            sizes.append(size)
            for own, step in zip(kept, steps, strict=True):
                own.append(step)
    return sizes, kept
