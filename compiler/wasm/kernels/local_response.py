"""Local response normalisation across channels.

A. Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 3.3.
"""

from __future__ import annotations

from compiler.wasm.kernels.loops import loops
from compiler.wasm.math.exponential import exp
from compiler.wasm.math.logarithm import log
from compiler.wasm.numerics.lanes import F32, F32X4, Lanes
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from compiler.wasm.numerics.storage import load, store
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, select
from wasm_emit.types import Expr, as_i32

_THREE_QUARTERS = 0.75


def local_response(
    fn: Function, shape: tuple[int, int, int], source: int, target: int, size: int, factors: tuple[float, float, float]
) -> None:
    """``x / (bias + alpha * sum of squares of the channels around)^beta`` for images x channels x plane.

    ``size`` channels around each count, as far as they exist; ``factors`` are alpha over ``size``, beta, bias.
    """
    images, channels, plane = shape
    before, behind = (size - 1) // 2, size - 1 - (size - 1) // 2
    whole, rest = divmod(plane, F32X4.width)
    for lanes, turns, first in ((F32X4, whole, 0), (F32, rest, whole * F32X4.width)):
        if not turns:
            continue
        steps = [channels * plane * FLOAT_BYTES, lanes.width * FLOAT_BYTES]
        bases = [(fn.new(base + first * FLOAT_BYTES, "base"), steps) for base in (source, target)]
        with loops(fn, [images, turns], bases) as (columns, _):
            along = [(column, [plane * FLOAT_BYTES]) for column in columns]
            with loops(fn, [channels], along, indexed=frozenset({0})) as ((at, out), (channel,)):
                low = fn.new(select(channel - before, as_i32(0), i32.ge_s(channel, before)), "low")
                last = select(channel + behind, as_i32(channels - 1), i32.lt_s(channel + behind, channels))
                end = fn.new(columns[0] + (last + 1) * (plane * FLOAT_BYTES), "end")
                total = _squares(
                    fn, lanes, fn.new(columns[0] + low * (plane * FLOAT_BYTES), "around"), end, plane * FLOAT_BYTES
                )
                fn.do(store(lanes, out, _result(fn, lanes, fn.new(load(lanes, at), "x"), total, factors)))


def _squares(fn: Function, lanes: Lanes, around: Local, end: Local, step: int) -> Local:
    total = fn.new(lanes.const(0.0), "total")
    with fn.loop("window") as again:
        value = fn.new(load(lanes, around), "x")
        fn.set(total, lanes.add(total, lanes.mul(value, value)))
        fn.advance(around, step)
        fn.br(again, i32.lt_u(around, end))
    return total


def _result(fn: Function, lanes: Lanes, x: Local, total: Local, factors: tuple[float, float, float]) -> Local:
    alpha, beta, bias = factors
    base = fn.new(lanes.add(lanes.const(bias), lanes.mul(lanes.const(alpha), total)), "base")
    return fn.new(lanes.div(x, _power(fn, lanes, base, beta)), "y")


def _power(fn: Function, lanes: Lanes, base: Local, beta: float) -> Expr:
    """``base`` to the ``beta``, to about 1e-6 of it; two roots for the usual 0.75."""
    if beta == _THREE_QUARTERS:
        root = fn.new(lanes.sqrt(base), "root")
        return lanes.mul(root, lanes.sqrt(root))
    return exp(fn, lanes, lanes.mul(lanes.const(beta), log(fn, lanes, base)))
