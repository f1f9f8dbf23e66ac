"""The transforms of ``winograd.py``, at the points 0, +-1/sqrt(2), +-sqrt(2) and infinity.

With these points errors are a quarter of those with 0, +-1, +-2 and infinity, at three multiplications more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler.wasm.kernels.f32.loops import countdown
from compiler.wasm.kernels.f32.winograd_shape import IN, TAPS, WinogradShape
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, f64x2, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, Expr

NEAR, FAR = 0.5**0.5, 2.0**0.5
"""The points; their product is 1."""

PAIR_BYTES = 8
"""Weights that are transformed at once: two float32, as float64."""


class _Factors:
    """Constants in locals: what names a local takes 2 bytes, the constant itself 18.

    All uses follow the first one in the order of execution.
    """

    def __init__(self, fn: Function, shape: str, multiply: Callable[[Expr, Expr], Expr]) -> None:
        self._fn, self._shape, self._multiply = fn, shape, multiply
        self._held: dict[float, Local] = {}

    def times(self, value: Expr, factor: float) -> Expr:
        """Every lane times the factor."""
        if factor not in self._held:
            self._held[factor] = self._fn.new(v128_const(self._shape, factor), "factor")
        return self._multiply(value, self._held[factor])


def weights_function(module: Module, name: str) -> Function:
    """(taps, points, pairs, tap plane, point plane): ``G g G^T`` of pairs of filters, computed in float64.

    The two planes are bytes from one tap's or point's values to the next one's.
    """
    fn = module.function(name)
    taps, points, pairs, tap_plane, point_plane = (
        fn.param(I32, part) for part in ("taps", "points", "pairs", "tap_plane", "point_plane")
    )
    factors = _Factors(fn, "f64x2", f64x2.mul)
    with fn.loop("pair") as again:
        source, target = fn.new(taps, "source"), fn.new(points, "target")
        held = []
        for _ in range(TAPS):
            held.append(fn.new(f64x2.promote_low_f32x4(v128.load64_zero(source)), "g"))
            fn.advance(source, tap_plane)
        columns = [_filter_points(fn, factors, held[x::3]) for x in range(3)]
        for y in range(IN):
            for value in _filter_points(fn, factors, [column[y] for column in columns]):
                fn.do(v128.store64_lane(target, f32x4.demote_f64x2_zero(value), 0))
                fn.advance(target, point_plane)
        fn.advance(taps, PAIR_BYTES)
        fn.advance(points, PAIR_BYTES)
        fn.advance(pairs, -1)
        fn.br(again, pairs)
    return fn


def _filter_points(fn: Function, k: _Factors, g: Sequence[Local]) -> list[Local]:
    """``G g``: three taps at the six points."""
    near = fn.new(k.times(f64x2.add(g[0], k.times(g[2], 0.5)), -2 / 3), "e")
    near_odd = fn.new(k.times(g[1], -2 / 3 * NEAR), "o")
    far = fn.new(k.times(f64x2.add(g[0], k.times(g[2], 2.0)), 1 / 6), "e")
    far_odd = fn.new(k.times(g[1], 1 / 6 * FAR), "o")
    middle = [f64x2.add(near, near_odd), f64x2.sub(near, near_odd), f64x2.add(far, far_odd), f64x2.sub(far, far_odd)]
    return [g[0], *(fn.new(value, "u") for value in middle), g[2]]


def input_function(module: Module, name: str, shape: WinogradShape) -> Function:
    """(source, half, inputs): ``B^T d B`` of one tile, four channels at a time."""
    fn = module.function(name)
    source, half, inputs = (fn.param(I32, part) for part in ("source", "half", "inputs"))
    factors = _Factors(fn, "f32x4", f32x4.mul)
    with countdown(fn, shape.channels // FLOAT_LANES, name="channel"):
        for x in range(IN):
            offset = x * shape.channels * FLOAT_BYTES
            column = [fn.new(v128.load(source, offset=y * shape.frame_line_bytes + offset), "d") for y in range(IN)]
            for y, value in enumerate(_into_points(fn, factors, column)):
                fn.do(v128.store(half, value, offset=(y * IN + x) * VECTOR_BYTES))
        for y in range(IN):
            row = [fn.new(v128.load(half, offset=(y * IN + x) * VECTOR_BYTES), "d") for x in range(IN)]
            for x, value in enumerate(_into_points(fn, factors, row)):
                fn.do(v128.store(inputs, value, offset=(y * IN + x) * shape.input_plane))
        fn.advance(source, VECTOR_BYTES)
        fn.advance(inputs, VECTOR_BYTES)
    return fn


def output_function(module: Module, name: str, shape: WinogradShape, height: int, width: int) -> Function:
    """(products, half, bias, [residual,] out): ``A^T m A`` of one tile; stores its first ``height`` x ``width``."""
    fn = module.function(name)
    products, half, bias = (fn.param(I32, part) for part in ("products", "half", "bias"))
    residual = fn.param(I32, "residual") if shape.epilogue.residual else None
    out = fn.param(I32, "out")
    pixel = shape.filters * FLOAT_BYTES
    factors = _Factors(fn, "f32x4", f32x4.mul)
    with countdown(fn, shape.filters // FLOAT_LANES, name="filter"):
        for x in range(IN):
            column = [fn.new(v128.load(products, offset=(y * IN + x) * shape.output_plane), "m") for y in range(IN)]
            for y, value in enumerate(_from_points(fn, factors, column)[:height]):
                fn.do(v128.store(half, value, offset=(y * IN + x) * VECTOR_BYTES))
        start = fn.new(v128.load(bias), "start")
        for y in range(height):
            row = [fn.new(v128.load(half, offset=(y * IN + x) * VECTOR_BYTES), "m") for x in range(IN)]
            for x, value in enumerate(_from_points(fn, factors, row)[:width]):
                offset = (y * shape.x.out + x) * pixel
                total = shape.epilogue.finish(fn, f32x4.add(value, start), residual, offset)
                fn.do(v128.store(out, total, offset=offset))
        for pointer in (products, bias, residual, out):
            if pointer is not None:
                fn.advance(pointer, VECTOR_BYTES)
    return fn


def _into_points(fn: Function, k: _Factors, d: Sequence[Local]) -> list[Expr]:
    """``B^T d``: six inputs at the points."""
    near = fn.new(f32x4.sub(d[4], k.times(d[2], 2.0)), "e")
    near_odd = fn.new(k.times(f32x4.sub(d[3], k.times(d[1], 2.0)), NEAR), "o")
    far = fn.new(f32x4.sub(d[4], k.times(d[2], 0.5)), "e")
    far_odd = fn.new(k.times(f32x4.sub(d[3], k.times(d[1], 0.5)), FAR), "o")
    return [
        f32x4.sub(f32x4.add(d[0], d[4]), k.times(d[2], 2.5)),
        f32x4.add(near, near_odd),
        f32x4.sub(near, near_odd),
        f32x4.add(far, far_odd),
        f32x4.sub(far, far_odd),
        f32x4.sub(f32x4.add(d[1], d[5]), k.times(d[3], 2.5)),
    ]


def _from_points(fn: Function, k: _Factors, m: Sequence[Local]) -> list[Expr]:
    """``A^T m``: four outputs from six points."""
    near, far = fn.new(f32x4.add(m[1], m[2]), "p"), fn.new(f32x4.add(m[3], m[4]), "r")
    near_odd, far_odd = fn.new(f32x4.sub(m[1], m[2]), "q"), fn.new(f32x4.sub(m[3], m[4]), "s")
    return [
        f32x4.add(f32x4.add(m[0], near), far),
        f32x4.add(k.times(near_odd, NEAR), k.times(far_odd, FAR)),
        f32x4.add(k.times(near, 0.5), k.times(far, 2.0)),
        f32x4.add(f32x4.add(k.times(near_odd, NEAR / 2), k.times(far_odd, FAR * 2)), m[5]),
    ]
