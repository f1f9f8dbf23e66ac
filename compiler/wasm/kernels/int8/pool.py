"""Pooling of stored values (NHWC).

A global average is an integer sum, scaled once (``qlgavgpool.cpp``)::

    stored = clamp(round_half_even(float32(sum(q - x_zero)) * (x.scale / (y.scale * positions))) + y_zero)

A windowed average is what ONNX Runtime's ``qlinear_pool.cc`` does in float32: dequantize, sum in order, divide by the
count, divide by ``y.scale``, add the zero point, round half to even.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from compiler.wasm.kernels.int8.requantize import SATURATION, Stored, narrowed, rounded, scaled
from compiler.wasm.specs import Pool2d, Quant
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32, f32_const, f32x4, i8x16, i16x8, i32, i32x4, v128, v128_const
from wasm_emit.types import V128, Expr, Operand

FLUSH = 128
"""Positions whose 8-bit values are summed in 16 bits before the sums move to 32 bits: 128 * 255 < 2**15."""

HALF, WHOLE = 8, 16
"""Channels of a half and of a whole vector."""


@dataclass(frozen=True, slots=True)
class Window:
    """Input and output of a pool. Sizes in elements."""

    batch: int
    height: int
    width: int
    channels: int
    out_height: int
    out_width: int
    pool: Pool2d


def emit_global_average(
    fn: Function, x: int, y: int, shape: tuple[int, int, int], quant: Quant, scale: float, stored: Stored
) -> None:
    """``shape`` is (batch, positions, channels). Eight channels at a time; images in order repair what goes too far."""
    batch, positions, channels = shape
    signed = quant.dtype is DType.INT8
    source, target = fn.new(x, "x"), fn.new(y, "y")
    with fn.counted(batch, name="image"):
        with fn.counted(channels, step=HALF, name="channel") as channel:
            sums = _position_sums(fn, source + channel, positions, channels, quant, signed=signed)
            factor = v128_const("f32x4", scale)
            words = [rounded(scaled(total, factor, stored), stored.zero_point) for total in sums]
            fn.do(v128.store64_lane(target + channel, narrowed(fn, words, stored), 0))
        fn.advance(source, positions * channels)
        fn.advance(target, channels)


def _position_sums(
    fn: Function, start: Expr, positions: int, channels: int, quant: Quant, *, signed: bool
) -> list[Local]:
    """Sums of eight channels over all positions, minus the zero point each time."""
    first = v128_const("i32x4", -quant.zero_point * positions)
    sums = [fn.new(first, "sum") for _ in range(2)]
    pointer = fn.new(start, "p")
    for count, times in ((FLUSH, positions // FLUSH), (positions % FLUSH, 1)):
        if not count or not times:
            continue
        with fn.counted(times, name="flush"):
            short = fn.local(V128, "short")
            fn.set(short, v128_const("i16x8", 0))
            with fn.pointer_loop(pointer, count, channels, name="position"):
                load = v128.load8x8_s if signed else v128.load8x8_u
                fn.set(short, i16x8.add(short, load(pointer)))
            fn.set(sums[0], i32x4.add(sums[0], i32x4.extend_low_i16x8_s(short)))
            fn.set(sums[1], i32x4.add(sums[1], i32x4.extend_high_i16x8_s(short)))
    return sums


def emit_max(fn: Function, x: int, y: int, window: Window, *, signed: bool) -> None:
    """The largest stored value of each window; padding never wins."""
    lowest = v128_const("i8x16", -128 if signed else 0)
    larger = i8x16.max_s if signed else i8x16.max_u
    best = fn.local(V128, "best")

    def visit(pointer: Expr) -> None:
        fn.set(best, larger(best, v128.load(pointer)))

    with _windows(fn, x, y, window, WHOLE) as (target, taps):
        fn.set(best, lowest)
        taps(visit)
        fn.do(v128.store(target, best))


def emit_average(fn: Function, x: int, y: int, window: Window, quant: Quant, out: Quant, stored: Stored) -> None:
    """The mean of each window in float32, eight channels at a time."""
    signed = quant.dtype is DType.INT8
    sums = fn.locals(V128, "sum", 2)
    count = fn.new(0, "count")
    scale = v128_const("f32x4", np.float32(quant.scale).item())

    def visit(pointer: Expr) -> None:
        load = v128.load8x8_s if signed else v128.load8x8_u
        values = fn.new(i16x8.sub(load(pointer), v128_const("i16x8", quant.zero_point)), "values")
        for total, wide in zip(sums, (i32x4.extend_low_i16x8_s, i32x4.extend_high_i16x8_s), strict=True):
            fn.set(total, f32x4.add(total, f32x4.mul(scale, f32x4.convert_i32x4_s(wide(values)))))
        fn.advance(count, 1)

    taps_of_kernel = window.pool.kernel[0] * window.pool.kernel[1]
    with _windows(fn, x, y, window, HALF) as (target, taps):
        for total in sums:
            fn.set(total, v128_const("f32x4", 0.0))
        fn.set(count, 0)
        taps(visit)
        among = f32_const(taps_of_kernel) if window.pool.count_include_pad else f32.convert_i32_s(count)
        divisor = fn.new(f32x4.splat(among), "divisor")
        words = [_mean(total, divisor, out) for total in sums]
        fn.do(v128.store64_lane(target, narrowed(fn, words, stored), 0))


def _mean(total: Expr, divisor: Expr, out: Quant) -> Expr:
    value = f32x4.div(f32x4.div(total, divisor), v128_const("f32x4", np.float32(out.scale).item()))
    value = f32x4.add(value, v128_const("f32x4", out.zero_point))
    return rounded(f32x4.pmin(v128_const("f32x4", SATURATION), f32x4.pmax(v128_const("f32x4", -SATURATION), value)), 0)


@contextmanager
def _windows(
    fn: Function, x: int, y: int, window: Window, channels: int
) -> Iterator[tuple[Expr, Callable[[Callable[[Expr], None]], None]]]:
    """Loops over images, positions and channels; yields the output's place and a walk over the taps inside."""
    image, target = fn.new(x, "image"), fn.new(y, "y")
    pool = window.pool
    with (
        fn.counted(window.batch, name="batch"),
        _moving(fn, image, window.height * window.width * window.channels),
        fn.counted(window.out_height, name="oy") as oy,
        fn.counted(window.out_width, name="ox") as ox,
        _moving(fn, target, window.channels),
    ):
        top = fn.new(oy * pool.strides[0] - pool.pads[0], "top")
        left = fn.new(ox * pool.strides[1] - pool.pads[1], "left")
        with fn.counted(window.channels, step=channels, name="channel") as channel:
            yield target + channel, lambda visit: _taps(fn, image + channel, top, left, window, visit)


def _taps(fn: Function, start: Expr, top: Local, left: Local, window: Window, visit: Callable[[Expr], None]) -> None:
    pool = window.pool
    with fn.counted(pool.kernel[0], name="ky") as ky:
        row = fn.new(top + ky * pool.dilations[0], "row")
        with fn.if_(i32.lt_u(row, window.height)), fn.counted(pool.kernel[1], name="kx") as kx:
            column = fn.new(left + kx * pool.dilations[1], "column")
            with fn.if_(i32.lt_u(column, window.width)):
                visit(start + (row * window.width + column) * window.channels)


@contextmanager
def _moving(fn: Function, pointer: Local, step: Operand) -> Iterator[None]:
    yield
    fn.advance(pointer, step)
