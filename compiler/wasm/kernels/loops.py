"""Bare nested loops with constant bounds, each operand followed by a pointer of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from wasm_emit.function import Function, Local
from wasm_emit.types import I32, EmitError, Expr, as_i32


@contextmanager
def loops(
    fn: Function,
    sizes: Sequence[int],
    pointers: Sequence[tuple[Expr, Sequence[int]]],
    *,
    indexed: frozenset[int] = frozenset(),
) -> Iterator[tuple[list[Expr], list[Expr]]]:
    """Nested loops over ``sizes`` (each at least 1; constant).

    ``pointers`` are (start, bytes to go on per dimension). Yields what follows each pointer, and the indices: those of
    dimensions not in ``indexed`` are meaningless constants.
    """
    with ExitStack() as stack:
        current = [start for start, _ in pointers]
        indices: list[Expr] = [as_i32(0)] * len(sizes)
        for dim, size in enumerate(sizes):
            if size == 1:
                continue
            moving = [number for number, (_, steps) in enumerate(pointers) if steps[dim]]
            for number in moving:
                current[number] = fn.new(current[number], f"p{number}_")
            steps = [(as_pointer(current[number]), pointers[number][1][dim]) for number in moving]
            if steps and dim not in indexed:
                (first, step), *rest = steps
                stack.enter_context(fn.pointer_loop(first, size, step))
            else:
                rest = steps
                indices[dim] = stack.enter_context(fn.counted(size))
            for pointer, step in rest:
                stack.callback(fn.advance, pointer, step)
        yield current, indices


def as_pointer(value: Expr) -> Local:
    """The expression as the local that it is. Raises ``EmitError`` if it is none, or no i32."""
    if not isinstance(value, Local) or value.type is not I32:
        raise EmitError(f"expected an i32 local, got {value}")
    return value
