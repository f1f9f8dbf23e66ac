"""Loops of kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wasm_emit.function import Function, Local


@contextmanager
def repeated(fn: Function, pointer: Local, turns: int, step: int, *, name: str) -> Iterator[None]:
    """``turns`` rounds that advance ``pointer`` by ``step`` bytes; a single round is no loop."""
    if turns > 1:
        with fn.pointer_loop(pointer, turns, step, name=name):
            yield
    else:
        yield
        fn.advance(pointer, step)


@contextmanager
def countdown(fn: Function, turns: int, *, name: str) -> Iterator[Local]:
    """``turns`` rounds, at least one, counted down to zero in a local of its own, which is yielded.

    For innermost loops: Cranelift compares a pointer that is its own counter with the turn before, which keeps both
    alive and costs a move and a second jump per turn (20 % in some alignments); zero needs no comparison.
    """
    left = fn.new(turns, f"{name}_left")
    with fn.loop(name) as again:
        yield left
        fn.set(left, left - 1)
        fn.br(again, left)
