"""The turns of a loop: a body called again and again, with values carried over and rows taken and given."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

from compiler.wasm.kernels.copy import copy_layout, copy_run
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.step import StepEmitter
from wasm_emit.function import Local
from wasm_emit.instructions import i32, i64
from wasm_emit.types import Expr


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A value that goes from turn to turn.

    ``initial`` is copied to ``place``, where the body reads it; ``result`` is what the body makes of it; ``output``
    (``""`` if nobody reads it) gets the last one. ``moved`` says that ``result`` lies where the body reads its inputs:
    it must be saved before any of them changes. ``kept`` says that it is ``place`` itself.
    """

    initial: str
    place: str
    result: str
    output: str
    moved: bool = False
    kept: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """``value`` is one turn's slice of ``whole`` along ``axis``; the first turn has the last one if ``backwards``."""

    value: str
    whole: str
    axis: int
    backwards: bool = False


Rows: TypeAlias = Sequence[tuple[Row, Local]]
"""Rows, each with the pointer to this turn's slice."""


@dataclass(frozen=True, kw_only=True)
class Turns:
    """``count`` turns of a body, at least one.

    ``counter`` and ``condition`` are what the body reads of the turn (``""`` for none). With ``go``, a bool that the
    body makes, a turn follows only while that is true; ``given`` (``""``: true) decides about the first.
    """

    count: int
    carried: tuple[Carried, ...]
    taken: tuple[Row, ...] = ()
    results: tuple[Row, ...] = ()
    counter: str = ""
    condition: str = ""
    given: str = ""
    go: str = ""


def scratch_key(carried: Carried) -> str:
    """The scratch area that a moved value is saved in."""
    return f"saved {carried.place}"


def emit_turns(out: StepEmitter, turns: Turns) -> None:
    """Write the loop; ``out.body(0)`` is the body."""
    fn = out.fn
    for one in turns.carried:
        _copy(out, out.at(one.place), out.at(one.initial), one.place)
    turn = fn.new(0, "turn")
    taken, results = _pointers(out, turns, turns.taken), _pointers(out, turns, turns.results)
    with ExitStack() as stack:
        done = stack.enter_context(fn.block("done")) if turns.go else ""
        if turns.condition:
            first = fn.new(i32.load8_u(out.at(turns.given)) if turns.given else 1, "go")
            fn.do(i32.store8(out.at(turns.condition), first))
            if turns.go and turns.given:
                fn.br(done, i32.eqz(first))
        with fn.loop("turns") as again:
            _turn(out, turns, turn, taken, results)
            go = fn.new(i32.load8_u(out.at(turns.go)), "go") if turns.go else None
            _carry(out, turns.carried)
            if go is not None:
                fn.do(i32.store8(out.at(turns.condition), go))
                fn.br(done, i32.eqz(go))
            fn.advance(turn, 1)
            for row, pointer in (*taken, *results):
                fn.advance(pointer, _stride(out, row))
            fn.br(again, i32.lt_u(turn, turns.count))
    for one in turns.carried:
        if one.output:
            _copy(out, out.at(one.output), out.at(one.place), one.place)


def _turn(out: StepEmitter, turns: Turns, turn: Local, taken: Rows, results: Rows) -> None:
    """Rows in, the body, rows out."""
    if turns.counter:
        out.fn.do(i64.store(out.at(turns.counter), i64.extend_i32_u(turn)))
    for row, pointer in taken:
        slice_, whole, itemsize = _layouts(out, row)
        copy_layout(out.fn, out.at(row.value), slice_, pointer, whole, itemsize)
    out.body(0)
    for row, pointer in results:
        slice_, whole, itemsize = _layouts(out, row)
        copy_layout(out.fn, pointer, whole, out.at(row.value), slice_, itemsize)


def _carry(out: StepEmitter, carried: Sequence[Carried]) -> None:
    """What lies among the body's inputs is saved first."""
    moved = [one for one in carried if one.moved]
    for one in moved:
        _copy(out, out.scratch(scratch_key(one)), out.at(one.result), one.place)
    for one in carried:
        if not one.moved and not one.kept:
            _copy(out, out.at(one.place), out.at(one.result), one.place)
    for one in moved:
        _copy(out, out.at(one.place), out.scratch(scratch_key(one)), one.place)


def _copy(out: StepEmitter, target: int, source: int, like: str) -> None:
    nbytes = out.type_of(like).nbytes
    if nbytes:
        copy_run(out.fn, out.fn.new(target, "to"), out.fn.new(source, "from"), nbytes)


def _pointers(out: StepEmitter, turns: Turns, rows: Sequence[Row]) -> list[tuple[Row, Local]]:
    found = []
    for row in rows:
        start: int | Expr = out.at(row.whole)
        if row.backwards:
            start = out.at(row.whole) - (turns.count - 1) * _stride(out, row)
        found.append((row, out.fn.new(start, "row")))
    return found


def _stride(out: StepEmitter, row: Row) -> int:
    """Bytes from one turn's slice to the next one's."""
    kind = out.type_of(row.whole)
    stride = Layout.of(kind.shape, kind.dtype.itemsize).strides[row.axis]
    return -stride if row.backwards else stride


def _layouts(out: StepEmitter, row: Row) -> tuple[Layout, Layout, int]:
    """The slice by itself, and as it lies in the whole."""
    kind, itemsize = out.type_of(row.whole), out.type_of(row.whole).dtype.itemsize
    whole = Layout.of(kind.shape, itemsize).part(row.axis, 0, 1)
    return Layout.of(whole.shape, itemsize), whole, itemsize
