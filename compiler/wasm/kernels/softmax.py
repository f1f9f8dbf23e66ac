"""Softmax and log-softmax of float32 along one axis.

The maximum is subtracted first, so nothing overflows; the sum's accuracy is that of float32 in 4 to 16 partial sums.
Powers below 2^-126.5 are 0.
A row with NaN or +infinity becomes NaN, as the formula gives it.
"""

from __future__ import annotations

import math

from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.rows import add, fold_lanes, fold_row, held, map_row
from compiler.wasm.math.exponential import exp_flushed
from compiler.wasm.math.logarithm import log
from compiler.wasm.numerics.lanes import F32, F32X4, Lanes
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from compiler.wasm.numerics.storage import load, store
from wasm_emit.function import Function, Local
from wasm_emit.instructions import v128
from wasm_emit.types import Expr


def softmax_rows(fn: Function, rows: int, size: int, source: int, target: int, *, logarithm: bool) -> None:
    """Along the innermost axis: ``rows`` rows of ``size``."""
    bases = [(fn.new(base, "base"), [size * FLOAT_BYTES]) for base in (source, target)]
    with loops(fn, [rows], bases) as ((come, to), _):
        row, out = fn.new(come, "row"), fn.new(to, "out")
        most = fold_row(fn, row, size, -math.inf, lambda lanes, a, b: lanes.pmax(a, b))
        if logarithm:
            total = fold_row(fn, row, size, 0.0, add, lambda x: exp_flushed(fn, F32X4, F32X4.sub(x, most)))
            less = fn.new(log(fn, F32X4, total), "log")
            map_row(fn, [out, row], size, lambda x: F32X4.sub(F32X4.sub(x[0], most), less))
        else:
            total = _exponentials(fn, row, out, size, most)
            share = fn.new(F32X4.div(F32X4.const(1.0), total), "share")
            map_row(fn, [out, out], size, lambda x: F32X4.mul(x[0], share))


def _exponentials(fn: Function, row: Local, out: Local, size: int, most: Local) -> Local:
    """Write e^(x - most), and give the sum in every lane."""
    total = fn.new(F32X4.const(0.0), "total")
    come, to = fn.new(row, "at"), fn.new(out, "at")
    if size // FLOAT_LANES:
        with fn.pointer_loop(to, size // FLOAT_LANES, VECTOR_BYTES):
            power = _power(fn, F32X4, v128.load(come), most)
            fn.do(v128.store(to, power))
            fn.set(total, F32X4.add(total, power))
            fn.advance(come, VECTOR_BYTES)
    if size % FLOAT_LANES:
        power = _power(fn, F32X4, v128.load(come), most)
        fn.do(v128.store(to, power))
        fn.set(total, F32X4.add(total, held(fn, power, 0.0, size)))
    return fold_lanes(fn, [total], add)


def softmax_columns(
    fn: Function, outer: int, size: int, inner: int, source: int, target: int, *, logarithm: bool
) -> None:
    """Along an axis of ``size`` with ``inner`` elements behind each of its steps: vectors across those."""
    whole, rest = divmod(inner, FLOAT_LANES)
    for lanes, turns, first in ((F32X4, whole, 0), (F32, rest, whole * VECTOR_BYTES)):
        if not turns:
            continue
        steps = [size * inner * FLOAT_BYTES, lanes.width * FLOAT_BYTES]
        bases = [(fn.new(base + first, "base"), steps) for base in (source, target)]
        with loops(fn, [outer, turns], bases) as ((come, to), _):
            _column(fn, lanes, size, inner * FLOAT_BYTES, come, to, logarithm=logarithm)


def _column(fn: Function, lanes: Lanes, size: int, step: int, come: Expr, to: Expr, *, logarithm: bool) -> None:
    most = fn.new(lanes.const(-math.inf), "most")
    with loops(fn, [size], [(come, [step])]) as ((at,), _):
        fn.set(most, lanes.pmax(most, fn.new(load(lanes, at), "x")))
    total = fn.new(lanes.const(0.0), "total")
    with loops(fn, [size], [(come, [step]), (to, [step])]) as ((at, out), _):
        power = _power(fn, lanes, load(lanes, at), most)
        if not logarithm:
            fn.do(store(lanes, out, power))
        fn.set(total, lanes.add(total, power))
    last = fn.new(log(fn, lanes, total) if logarithm else lanes.div(lanes.const(1.0), total), "last")
    with loops(fn, [size], [(come, [step]), (to, [step])]) as ((at, out), _):
        below = lanes.sub(load(lanes, at), most)
        fn.do(store(lanes, out, lanes.sub(below, last) if logarithm else lanes.mul(load(lanes, out), last)))


def _power(fn: Function, lanes: Lanes, value: Expr, most: Local) -> Local:
    return fn.new(exp_flushed(fn, lanes, lanes.sub(value, most)), "power")
