"""Reading between elements at the positions of a grid (GridSample), in any number of dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.sampling import Interpolation, SampledAxis, blend, crossed
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32, f32_const
from wasm_emit.types import Expr


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """``images`` of ``channels``, each read at ``places`` along ``axes``.

    A coordinate of -1 or 1 is the centre of an outer element if ``align``, else its outer edge.
    """

    images: int
    channels: int
    places: int
    axes: Sequence[SampledAxis]
    interpolation: Interpolation
    align: bool


def grid_sample(fn: Function, how: Sampling, x: int, grid: int, target: int) -> None:
    """From [images, channels, axes..] at ``x`` by [images, places, coordinates] to [images, channels, places]."""
    rank = len(how.axes)
    plane, made = math.prod(axis.size for axis in how.axes) * FLOAT_BYTES, how.places * FLOAT_BYTES
    pointers = [
        (fn.new(x, "x"), [how.channels * plane, 0]),
        (fn.new(grid, "grid"), [rank * made, rank * FLOAT_BYTES]),
        (fn.new(target, "target"), [how.channels * made, FLOAT_BYTES]),
    ]
    with loops(fn, [how.images, how.places], pointers) as ((image, point, to), _):
        taps = []
        for number, axis in enumerate(how.axes):  # the grid holds x, y, ..: the last axis first
            given = fn.new(f32.load(point, offset=(rank - 1 - number) * FLOAT_BYTES), "given")
            taps.append(axis.taps(fn, _unnormalised(given, axis.size, align=how.align), how.interpolation))
        every = crossed(fn, taps)
        with loops(fn, [how.channels], [(image, [plane]), (to, [made])]) as ((channel, element), _):
            fn.do(f32.store(element, blend(channel, every)))


def _unnormalised(given: Local, size: int, *, align: bool) -> Expr:
    """From [-1, 1] to elements; -1 and 1 are the centres of the outer elements if ``align``, else their outer edges."""
    moved = f32.add(given, f32_const(1.0))
    if align:
        return f32.mul(f32.div(moved, f32_const(2.0)), f32_const(size - 1))
    return f32.div(f32.sub(f32.mul(moved, f32_const(size)), f32_const(1.0)), f32_const(2.0))
