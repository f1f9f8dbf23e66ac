"""Max and average pooling over NHWC, four channels a vector, one output position at a time."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.wasm.kernels.f32.epilogue import store_lanes
from compiler.wasm.kernels.f32.loops import repeated
from compiler.wasm.kernels.f32.window import Axis, Segment
from compiler.wasm.numerics.lanes import F32X4
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from compiler.wasm.specs import PoolKind
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, Expr

UNROLLED_TAPS = 16
"""Windows up to this size are unrolled; larger ones are loops."""


@dataclass(frozen=True, kw_only=True)
class PoolShape:
    """``bottom`` and ``right`` are the padding behind the last element, for ``count_include_pad``."""

    kind: PoolKind
    images: int
    y: Axis
    x: Axis
    channels: int
    count_include_pad: bool
    bottom: int
    right: int

    @property
    def key(self) -> str:
        """Equal for poolings that one function serves."""
        return f"pool_f32:{self}"


def pool_function(module: Module, name: str, shape: PoolShape) -> Function:
    """A function (x, out) of addresses."""
    fn = module.function(name)
    source, out = fn.param(I32, "x"), fn.param(I32, "out")
    line, pixel = shape.x.size * shape.channels * FLOAT_BYTES, shape.channels * FLOAT_BYTES
    with repeated(fn, source, shape.images, shape.y.size * line, name="image"):
        for rows in shape.y.segments():
            y_in = fn.new(source + rows.source * line, "y_in")
            with repeated(fn, y_in, rows.count, shape.y.stride * line, name="y"):
                for columns in shape.x.segments():
                    x_in = fn.new(y_in + columns.source * pixel, "x_in")
                    with repeated(fn, x_in, columns.count, shape.x.stride * pixel, name="x"):
                        _position(fn, shape, (rows, columns), x_in, out)
    return fn


def _position(fn: Function, shape: PoolShape, window: tuple[Segment, Segment], source: Local, out: Local) -> None:
    """All channels of the output positions of one segment; moves ``out``."""
    full, rest = divmod(shape.channels, FLOAT_LANES)
    x = fn.new(source, "c_in")
    for lanes, turns in ((FLOAT_LANES, full), (rest, 1)):
        if lanes and turns:
            with repeated(fn, x, turns, VECTOR_BYTES, name="c"):
                store_lanes(fn, out, _reduced(fn, shape, window, x), 0, lanes)
                fn.advance(out, lanes * FLOAT_BYTES)


def _reduced(fn: Function, shape: PoolShape, window: tuple[Segment, Segment], x: Local) -> Expr:
    rows, columns = window
    total = fn.new(v128_const("f32x4", float("-inf") if shape.kind is PoolKind.MAX else 0.0), "acc")
    across = shape.x.dilation * shape.channels * FLOAT_BYTES
    down = shape.y.dilation * shape.x.size * shape.channels * FLOAT_BYTES
    if rows.taps * columns.taps <= UNROLLED_TAPS:
        for offset in (ky * down + kx * across for ky in range(rows.taps) for kx in range(columns.taps)):
            _take(fn, shape.kind, total, v128.load(x, offset=offset))
    else:
        line = fn.new(x, "tap_y")
        with repeated(fn, line, rows.taps, down, name="ky"):
            tap = fn.new(line, "tap_x")
            with repeated(fn, tap, columns.taps, across, name="kx"):
                _take(fn, shape.kind, total, v128.load(tap))
    if shape.kind is PoolKind.MAX:
        return total
    return f32x4.div(total, v128_const("f32x4", _count(shape, window)))


def _take(fn: Function, kind: PoolKind, total: Local, value: Expr) -> None:
    """One more value of a window; a maximum keeps NaN."""
    fn.set(total, F32X4.max(total, fn.new(value, "x")) if kind is PoolKind.MAX else F32X4.add(total, value))


def _count(shape: PoolShape, window: tuple[Segment, Segment]) -> float:
    """What a sum is divided by: taps inside, or also those on the padding (but not beyond it)."""
    rows, columns = window
    if not shape.count_include_pad:
        return float(max(1, rows.taps * columns.taps))
    return float(_padded_taps(shape.y, rows, shape.bottom) * _padded_taps(shape.x, columns, shape.right))


def _padded_taps(axis: Axis, segment: Segment, behind: int) -> int:
    first = segment.start * axis.stride - axis.pad
    return sum(first + tap * axis.dilation < axis.size + behind for tap in range(axis.kernel))


def global_pool_function(
    module: Module, name: str, kind: PoolKind, images: int, pixels: int, channels: int
) -> Function:
    """A function (x [images, pixels, channels], out [images, channels]) of addresses; pixels in order for each sum."""
    fn = module.function(name)
    source, out = fn.param(I32, "x"), fn.param(I32, "out")
    with repeated(fn, source, images, pixels * channels * FLOAT_BYTES, name="image"):
        _global_channels(fn, kind, pixels, channels, source, out)
    return fn


def _global_channels(fn: Function, kind: PoolKind, pixels: int, channels: int, source: Local, out: Local) -> None:
    block = fn.new(source, "block")
    groups = (4 * FLOAT_LANES, FLOAT_LANES, 1)
    left = channels
    for size in groups:
        turns, left = divmod(left, size)
        if not turns:
            continue
        with repeated(fn, block, turns, size * FLOAT_BYTES, name="block"):
            _global_block(fn, kind, pixels, channels, block, out, size)
            fn.advance(out, size * FLOAT_BYTES)


def _global_block(
    fn: Function, kind: PoolKind, pixels: int, channels: int, block: Local, out: Local, size: int
) -> None:
    vectors = -(-size // FLOAT_LANES)
    highest = kind is PoolKind.MAX
    first = v128_const("f32x4", float("-inf") if highest else 0.0)
    sums = [fn.new(first, "acc") for _ in range(vectors)]
    x = fn.new(block, "p")
    with repeated(fn, x, pixels, channels * FLOAT_BYTES, name="pixel"):
        for v, total in enumerate(sums):
            _take(fn, kind, total, v128.load(x, offset=v * VECTOR_BYTES))
    for v, total in enumerate(sums):
        result: Expr = total if highest else f32x4.div(total, v128_const("f32x4", float(pixels)))
        store_lanes(fn, out, result, v * VECTOR_BYTES, min(size, FLOAT_LANES))
