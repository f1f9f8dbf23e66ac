"""Depthwise convolution with kernels too large to unroll: taps are loops, weights come from memory.

Loop order: output rows, tiles of neighbouring columns, blocks of four channels, taps. A weight is loaded once for all
columns of a tile. Columns and rows are cut into segments of equal taps, so that no padding is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.f32.depthwise import DepthwiseShape
from compiler.wasm.kernels.f32.epilogue import store_lanes
from compiler.wasm.kernels.f32.loops import countdown, repeated
from compiler.wasm.kernels.f32.pointers import Pointers, pointer_parameters
from compiler.wasm.kernels.f32.window import Segment
from compiler.wasm.numerics.sizes import FLOAT_LANES, VECTOR_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, v128
from wasm_emit.module import Module
from wasm_emit.types import I32

COLUMNS = 4
"""Neighbouring outputs of a tile."""


def pack_large_depthwise(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """[C, 1, kh, kw] as [kh][kw][C], with zeros up to the next multiple of four channels."""
    channels, _, height, width = weights.shape
    packed = np.zeros((height, width, -(-channels // FLOAT_LANES) * FLOAT_LANES), dtype=np.float32)
    packed[..., :channels] = weights[:, 0].transpose(1, 2, 0)
    return packed


def large_depthwise_function(module: Module, name: str, shape: DepthwiseShape) -> Function:
    """A function (x, w, bias, [residual,] out) of addresses that computes the whole convolution."""
    row = _row_function(module, f"{name}_row", shape)
    fn = module.function(name)
    at = pointer_parameters(fn, shape.epilogue)
    line, out_line = shape.x.size * shape.pixel_bytes, shape.x.out * shape.pixel_bytes
    with repeated(fn, at.x, shape.images, shape.y.size * line, name="image"):
        for segment in shape.y.segments():
            x = fn.new(at.x + segment.source * line, "y_in")
            w = fn.new(at.w + segment.first * shape.x.kernel * _weights_bytes(shape), "w")
            with repeated(fn, x, segment.count, shape.y.stride * line, name="y"):
                arguments = [x, w, at.bias, *([] if at.residual is None else [at.residual]), at.out]
                fn.do(fn.call(row, *arguments, segment.taps))
                for pointer in at.outputs():
                    fn.advance(pointer, out_line)
    return fn


def _row_function(module: Module, name: str, shape: DepthwiseShape) -> Function:
    """(x, w, bias, [residual,] out, taps): one output row, ``taps`` kernel rows (perhaps none) from ``x`` and ``w``."""
    fn = module.function(name)
    at = pointer_parameters(fn, shape.epilogue)
    taps = fn.param(I32, "taps")
    for segment in shape.x.segments():
        x = fn.new(at.x + segment.source * shape.pixel_bytes, "x_in")
        w = fn.new(at.w + segment.first * _weights_bytes(shape), "x_w")
        full, rest = divmod(segment.count, COLUMNS)
        for columns, turns in ((COLUMNS, full), (rest, 1)):
            if not columns or not turns:
                continue
            with repeated(fn, x, turns, columns * shape.x.stride * shape.pixel_bytes, name="x"):
                _channels(fn, shape, Pointers(x, w, at.bias, at.residual, at.out), taps, segment, columns)
                for pointer in at.outputs():
                    fn.advance(pointer, columns * shape.pixel_bytes)
    return fn


def _channels(fn: Function, shape: DepthwiseShape, at: Pointers, taps: Local, segment: Segment, columns: int) -> None:
    """All channels of one tile."""
    full, rest = divmod(shape.channels, FLOAT_LANES)
    residual = None if at.residual is None else fn.new(at.residual, "c_res")
    block = Pointers(
        fn.new(at.x, "c_x"), fn.new(at.w, "c_w"), fn.new(at.bias, "c_bias"), residual, fn.new(at.out, "c_out")
    )
    for lanes, turns in ((FLOAT_LANES, full), (rest, 1)):
        if lanes and turns:
            with repeated(fn, block.x, turns, VECTOR_BYTES, name="c"):
                _tile(fn, shape, block, taps, segment, (columns, lanes))
                for pointer in (block.w, block.bias, *block.outputs()):
                    fn.advance(pointer, VECTOR_BYTES)


def _tile(
    fn: Function, shape: DepthwiseShape, at: Pointers, taps: Local, segment: Segment, size: tuple[int, int]
) -> None:
    columns, lanes = size
    sums = [fn.new(v128.load(at.bias), "acc") for _ in range(columns)]
    if segment.taps:
        with fn.if_(taps):
            _taps(fn, shape, at, taps, segment, sums)
    for c, total in enumerate(sums):
        offset = c * shape.pixel_bytes
        store_lanes(fn, at.out, shape.epilogue.finish(fn, total, at.residual, offset), offset, lanes)


def _taps(fn: Function, shape: DepthwiseShape, at: Pointers, taps: Local, segment: Segment, sums: list[Local]) -> None:
    pixel, weights = shape.pixel_bytes, _weights_bytes(shape)
    line, row, left = fn.new(at.x, "line"), fn.new(at.w, "w_line"), fn.new(taps, "left")
    with fn.loop("ky") as again:
        x, w = fn.new(line, "tap"), fn.new(row, "w_tap")
        with countdown(fn, segment.taps, name="kx"):
            weight = fn.new(v128.load(w), "wt")
            for c, total in enumerate(sums):
                value = v128.load(x, offset=c * shape.x.stride * pixel)
                fn.set(total, f32x4.add(total, f32x4.mul(value, weight)))
            fn.advance(x, shape.x.dilation * pixel)
            fn.advance(w, weights)
        fn.advance(line, shape.y.dilation * shape.x.size * pixel)
        fn.advance(row, shape.x.kernel * weights)
        fn.advance(left, -1)
        fn.br(again, left)


def _weights_bytes(shape: DepthwiseShape) -> int:
    """From one tap's weights to the next tap's."""
    return -(-shape.channels // FLOAT_LANES) * VECTOR_BYTES
