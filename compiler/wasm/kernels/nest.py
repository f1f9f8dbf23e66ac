"""Nested counted loops whose pointers advance by constant strides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from compiler.wasm.kernels.layout import merge
from wasm_emit.function import Function, Local


@dataclass(frozen=True, slots=True)
class Walk:
    """A pointer and the bytes that it moves per step of each loop, outermost first."""

    pointer: Local
    strides: tuple[int, ...]


@contextmanager
def nest(fn: Function, sizes: Sequence[int], walks: Sequence[Walk], *, rewind: bool = False) -> Iterator[None]:
    """Loops over ``sizes`` (each at least 1), outermost first; inside, each pointer is at the current element.

    Afterwards the pointers stand behind the last row, or where they began if ``rewind``.
    """
    merged, strides = merge(sizes, [walk.strides for walk in walks])
    pointers = [walk.pointer for walk in walks]
    with ExitStack() as stack:
        for axis, size in enumerate(merged):
            ends = [own[axis + 1] * merged[axis + 1] if axis + 1 < len(merged) else 0 for own in strides]
            steps = [own[axis] - end for own, end in zip(strides, ends, strict=True)]
            stack.enter_context(_level(fn, size, pointers, steps, innermost=axis + 1 == len(merged)))
        yield
    if rewind and merged:
        for pointer, own in zip(pointers, strides, strict=True):
            if own[0]:
                fn.advance(pointer, -own[0] * merged[0])


@contextmanager
def _level(
    fn: Function, size: int, pointers: Sequence[Local], steps: Sequence[int], *, innermost: bool
) -> Iterator[None]:
    """One loop. The innermost one counts by a pointer if any moves, which spares an index."""
    moving = [(pointer, step) for pointer, step in zip(pointers, steps, strict=True) if step]
    if innermost and moving:
        (first, stride), *rest = moving
        with fn.pointer_loop(first, size, stride):
            yield
            for pointer, step in rest:
                fn.advance(pointer, step)
        return
    with fn.counted(size):
        yield
        for pointer, step in moving:
            fn.advance(pointer, step)
