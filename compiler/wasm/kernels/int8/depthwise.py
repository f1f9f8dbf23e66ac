"""Depthwise convolution of stored values (NHWC, one output per channel): eight channels of one position at a time.

Two taps are interleaved by a shuffle, so that one ``i32x4.dot_i16x8_s`` multiplies and adds both of them for four
channels; a block's weights stay in locals for a whole line. Padding is the stored zero point: lines above and below the
image read a line of it, taps beside the image are a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.int8.conv import Image
from compiler.wasm.kernels.int8.gemm import store_bytes
from compiler.wasm.kernels.int8.packing import PARAMETER_BYTES
from compiler.wasm.kernels.int8.requantize import Stored, narrowed, rounded, scaled
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, i32x4, select, shuffle, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, V128, Expr

CHANNELS = 8
"""Channels of a block."""

_LOW = tuple(byte for lane in range(4) for byte in (2 * lane, 2 * lane + 1, 16 + 2 * lane, 17 + 2 * lane))
_HIGH = tuple(byte + 8 for byte in _LOW)
"""Lanes of two vectors of int16 by turns: the lower four of each, the upper four."""


@dataclass(frozen=True, slots=True)
class Line:
    """Consecutive output columns that have the same kernel columns inside the image.

    ``first`` is where the kernel begins for the first of them: negative in the padding.
    """

    first: int
    count: int
    inside: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Pointers:
    """One pointer per kernel row, the output's, and what a block keeps in locals."""

    rows: Sequence[Local]
    y: Local
    weights: Sequence[Local]
    biases: Sequence[Local]
    scales: Sequence[Local]
    zero: Local


def block_count(channels: int) -> int:
    """Blocks of eight channels."""
    return -(-channels // CHANNELS)


def pack_taps(weights: NDArray[Any]) -> NDArray[np.int8]:
    """Weights [channels, taps] as ``[block][pair][channel][2]``; an odd last tap is paired with zero."""
    channels, taps = weights.shape
    even = np.zeros((block_count(channels) * CHANNELS, taps + taps % 2), dtype=np.int8)
    even[:channels, :taps] = weights
    return even.reshape(-1, CHANNELS, even.shape[1] // 2, 2).transpose(0, 2, 1, 3).ravel()


def pack_parameters(biases: NDArray[Any], scales: NDArray[Any]) -> NDArray[np.int32]:
    """Eight biases, then eight scales (as their bits), for each block."""
    both = np.zeros((2, block_count(len(biases)) * CHANNELS), dtype=np.int32)
    both[0, : len(biases)] = biases
    both[1, : len(biases)] = np.ascontiguousarray(scales, dtype=np.float32).view(np.int32)
    return both.reshape(2, -1, CHANNELS).transpose(1, 0, 2).ravel()


def lines(image: Image) -> tuple[Line, ...]:
    """The output line cut where the set of kernel columns inside the image changes."""
    left, stride, dilation = image.pads[1], image.strides[1], image.dilations[1]

    def inside(column: int) -> tuple[bool, ...]:
        return tuple(0 <= column * stride - left + k * dilation < image.width for k in range(image.kernel[1]))

    found = []
    for taps, group in groupby(range(image.out_width), key=inside):
        columns = list(group)
        found.append(Line(columns[0] * stride - left, len(columns), taps))
    return tuple(found)


def build_depthwise(module: Module, name: str, image: Image, zero_point: int, signed: bool, stored: Stored) -> Function:
    """``(x, y, weights, parameters, outside)``: one image; ``outside`` is a line of zero points."""
    fn = module.function(name)
    x, y, weights, parameters, outside = (
        fn.param(I32, word) for word in ("x", "y", "weights", "parameters", "outside")
    )
    taps = image.kernel[0] * image.kernel[1]
    pairs = -(-taps // 2)
    zero = fn.new(v128_const("i16x8", zero_point), "zero")
    full, rest = divmod(image.channels, CHANNELS)
    rows = fn.locals(I32, "row", image.kernel[0])
    kept = fn.locals(V128, "kept", 2 * pairs)
    biases, scales = fn.locals(V128, "bias", 2), fn.locals(V128, "scale", 2)
    at = Pointers(rows, fn.local(I32, "py"), kept, biases, scales, zero)

    def line(oy: Local, source: Local, target: Local, used: int) -> None:
        for number, vector in enumerate(kept):
            fn.set(vector, v128.load(weights, offset=16 * number))
        for number, vector in enumerate((*biases, *scales)):
            fn.set(vector, v128.load(parameters, offset=16 * number))
        _start_rows(fn, image, rows, oy, source, outside)
        fn.set(at.y, target + oy * (image.out_width * image.channels))
        now = 0
        for part in lines(image):
            first = max(part.first, 0)
            _advance(fn, rows, (first - now) * image.channels)
            with fn.counted(part.count, name="column"):
                _position(fn, image, at, part, signed=signed, used=used, stored=stored)
                _advance(fn, rows, image.strides[1] * image.channels)
                fn.advance(at.y, image.channels)
            now = first + part.count * image.strides[1]

    def block(source: Local, target: Local, used: int) -> None:
        with fn.counted(image.out_height, name="line") as oy:
            line(oy, source, target, used)
        for pointer, step in ((source, CHANNELS), (target, CHANNELS), (weights, 32 * pairs)):
            fn.advance(pointer, step)
        fn.advance(parameters, CHANNELS * PARAMETER_BYTES)

    source, target = fn.new(x, "source"), fn.new(y, "target")
    if full:
        with fn.counted(full, name="block"):
            block(source, target, CHANNELS)
    if rest:
        block(source, target, rest)
    return fn


def _start_rows(fn: Function, image: Image, rows: Sequence[Local], oy: Local, source: Local, outside: Local) -> None:
    """Pointers to the image's first column for each kernel row."""
    line = image.width * image.channels
    start = fn.new(oy * image.strides[0] - image.pads[0], "top")
    for number, row in enumerate(rows):
        index = fn.new(start + number * image.dilations[0], "index")
        fn.set(row, select(source + index * line, outside, i32.lt_u(index, image.height)))


def _advance(fn: Function, rows: Sequence[Local], step: int) -> None:
    if step:
        for row in rows:
            fn.advance(row, step)


def _position(fn: Function, image: Image, at: Pointers, part: Line, *, signed: bool, used: int, stored: Stored) -> None:
    """Eight channels of one output position."""
    load = v128.load8x8_s if signed else v128.load8x8_u

    def tap(number: int) -> Local:
        row, column = divmod(number, image.kernel[1])
        if not part.inside[column]:
            return at.zero
        offset = (min(part.first, 0) + column * image.dilations[1]) * image.channels
        return fn.new(load(at.rows[row], offset=offset), "tap")

    taps = image.kernel[0] * image.kernel[1]
    sums: list[Expr] = list(at.biases)
    for pair in range(-(-taps // 2)):
        first = tap(2 * pair)
        second = tap(2 * pair + 1) if 2 * pair + 1 < taps else None
        for half in (0, 1):
            dot = i32x4.dot_i16x8_s(_interleaved(first, second, half), at.weights[2 * pair + half])
            sums[half] = fn.new(i32x4.add(sums[half], dot), "sum")
    words = [
        rounded(scaled(total, scale, stored), stored.zero_point) for total, scale in zip(sums, at.scales, strict=True)
    ]
    store_bytes(fn, at.y, narrowed(fn, words, stored), 0, used)


def _interleaved(first: Local, second: Local | None, half: int) -> Expr:
    if second is not None:
        return shuffle(first, second, _HIGH if half else _LOW)
    return (i32x4.extend_high_i16x8_u if half else i32x4.extend_low_i16x8_u)(first)


def emit_outside(fn: Function, target: int, nbytes: int, zero_point: int) -> None:
    """Fill the line of zero points."""
    filler = fn.new(v128_const("i8x16", (zero_point + 128) % 256 - 128), "zero")
    with fn.counted(nbytes, step=16, name="fill") as at:
        fn.do(v128.store(at + target, filler))
