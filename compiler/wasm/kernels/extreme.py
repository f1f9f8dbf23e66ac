"""Where along an axis the greatest or least element lies: the first one, or the last."""

from __future__ import annotations

from compiler.wasm.kernels.loops import loops
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.storage import load
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr


def place_of_extreme(
    fn: Function, lanes: Lanes, line: Expr, size: int, step: int, *, least: bool = False, last: bool = False
) -> Local:
    """The index (i32) of the extreme among ``size`` scalars, ``step`` bytes apart; NaN only if it comes first."""
    best, place = fn.new(load(lanes, line), "best"), fn.new(0, "place")
    compare = (lanes.le if last else lanes.lt) if least else (lanes.ge if last else lanes.gt)
    with loops(fn, [size], [(line, [step])], indexed=frozenset({0})) as ((at,), (index,)):
        value = fn.new(load(lanes, at), "x")
        with fn.if_(compare(value, best)):
            fn.set(best, value)
            fn.set(place, index)
    return place
