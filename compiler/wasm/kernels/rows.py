"""Runs of float32 in vectors: passes over one row, whose last vector may be masked.

A pass reads whole vectors; where the row's length is no multiple of four, the lanes behind it hold ``beyond``. Stores
may write up to 12 bytes behind the row (see ``loopnest.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler.wasm.numerics.lanes import F32X4, Lanes
from compiler.wasm.numerics.sizes import FLOAT_LANES, VECTOR_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, v128, v128_const
from wasm_emit.types import Expr

_SIDE = 4
"""Accumulators side by side, so that their latencies overlap."""


def vectors(size: int) -> int:
    """Vectors that hold a row of ``size`` float32."""
    return -(-size // FLOAT_LANES)


def held(fn: Function, value: Expr, beyond: float, size: int) -> Local:
    """The last vector of a row: lanes behind ``size`` replaced."""
    rest = size % FLOAT_LANES
    if not rest:
        return fn.new(value, "x")
    mask = v128_const("i32x4", *(-1 if lane < rest else 0 for lane in range(FLOAT_LANES)))
    return fn.new(v128.bitselect(value, F32X4.const(beyond), mask), "x")


def fold_row(
    fn: Function, row: Expr, size: int, start: float, combine: Callable[[Lanes, Local, Local], Expr],
    prepare: Callable[[Local], Expr] | None = None,
) -> Local:  # fmt: skip
    """Combine a row (after ``prepare``) to one number, in every lane. ``start`` changes nothing in ``combine``."""
    whole = size // FLOAT_LANES
    side = _SIDE if whole >= 2 * _SIDE else 1
    totals = [fn.new(F32X4.const(start), "total") for _ in range(side)]
    at = fn.new(row, "at")

    def take(total: Local, value: Local) -> None:
        ready = value if prepare is None else fn.new(prepare(value), "x")
        fn.set(total, combine(F32X4, total, ready))

    for turns, into in ((whole // side, totals), (whole % side, totals[:1])):
        if turns:
            with fn.pointer_loop(at, turns, VECTOR_BYTES * len(into)):
                for part, total in enumerate(into):
                    take(total, fn.new(v128.load(at, offset=part * VECTOR_BYTES), "x"))
    if size % FLOAT_LANES:
        value = fn.new(v128.load(at), "x")
        ready = value if prepare is None else fn.new(prepare(value), "x")
        fn.set(totals[0], combine(F32X4, totals[0], held(fn, ready, start, size)))
    return fold_lanes(fn, totals, combine)


def fold_lanes(fn: Function, totals: Sequence[Local], combine: Callable[[Lanes, Local, Local], Expr]) -> Local:
    """All lanes of all accumulators combined, in every lane."""
    level = list(totals)
    while len(level) > 1:
        level = [fn.new(combine(F32X4, a, b), "total") for a, b in zip(level[::2], level[1::2], strict=True)]
    total = level[0]
    for half in (2, 1):
        total = fn.new(combine(F32X4, total, fn.new(F32X4.turned(total, half), "half")), "total")
    return total


def map_row(fn: Function, pointers: Sequence[Local], size: int, body: Callable[[Sequence[Local]], Expr]) -> None:
    """Write a row: ``body`` of the vectors at ``pointers[1:]`` goes to ``pointers[0]``. The pointers are not moved."""
    moving = [fn.new(pointer, "at") for pointer in pointers]
    target, *sources = moving
    with fn.pointer_loop(target, vectors(size), VECTOR_BYTES):
        values = [fn.new(v128.load(source), "x") for source in sources]
        fn.do(v128.store(target, body(values)))
        for source in sources:
            fn.advance(source, VECTOR_BYTES)


def add(lanes: Lanes, a: Local, b: Local) -> Expr:
    """For sums."""
    return lanes.add(a, b)


def splat_load(fn: Function, pointer: Expr) -> Local:
    """One float32 in every lane."""
    return fn.new(v128.load32_splat(pointer), "one")


def store_first(fn: Function, pointer: Expr, value: Expr) -> None:
    """Lane 0 as one float32."""
    fn.do(v128.store32_lane(pointer, value, 0))


def inverse_root(value: Expr) -> Expr:
    """One over the square root, in lanes."""
    return f32x4.div(F32X4.const(1.0), f32x4.sqrt(value))
