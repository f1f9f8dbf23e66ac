"""Depthwise convolution of stored values (NHWC, one output per channel): eight channels of one position at a time.

Two taps are interleaved by a shuffle, so that one ``i32x4.dot_i16x8_s`` multiplies and adds both of them for four
channels; a block's weights stay in locals for a whole line. Padding is the stored zero point: lines above and below the
image read a line of it, taps beside the image are a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.int8.gemm import store_bytes
from compiler.wasm.kernels.int8.image import Image
from compiler.wasm.kernels.int8.packing import PARAMETER_BYTES
from compiler.wasm.kernels.int8.requantize import Stored, narrowed, rounded, scaled
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, i32x4, select, shuffle, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, V128, Expr

CHANNELS = 8
"""Channels of a block."""

LARGE_BYTES = 1 << 19
"""Larger images are walked line by line, smaller ones block by block: either way what is read again is in the cache."""

_LOW = tuple(byte for lane in range(4) for byte in (2 * lane, 2 * lane + 1, 16 + 2 * lane, 17 + 2 * lane))
_HIGH = tuple(byte + 8 for byte in _LOW)
"""Lanes of two vectors of int16 by turns: the lower four of each, the upper four."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block on one line: a pointer per kernel row (to the image's first column), the output's, what is in locals.

    ``used`` of the eight channels exist.
    """

    image: Image
    rows: Sequence[Local]
    y: Local
    weights: Sequence[Local]
    biases: Sequence[Local]
    scales: Sequence[Local]
    zero: Local
    signed: bool
    stored: Stored
    used: int


LineWriter = Callable[[Function, Block], None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive output columns that have the same kernel columns inside the image.

    ``first`` is where the kernel begins for the first of them: negative in the padding.
    """

    first: int
    count: int
    inside: tuple[bool, ...]


def block_count(channels: int) -> int:
    """Blocks of eight channels."""
    return -(-channels // CHANNELS)


def pack_taps(weights: NDArray[Any]) -> NDArray[np.int8]:
    """Weights [channels, taps] as ``[block][pair][channel][2]``; an odd last tap is paired with zero."""
    taps = weights.shape[1]
    order = [(tap, tap + 1 if tap + 1 < taps else None) for tap in range(0, taps, 2)]
    return pack_pairs_of_taps(weights, order)


def pack_pairs_of_taps(weights: NDArray[Any], pairs: Sequence[tuple[int | None, int | None]]) -> NDArray[np.int8]:
    """Weights [channels, taps] as ``[block][pair][channel][2]``; ``None`` stands for zero."""
    channels = len(weights)
    padded = np.zeros((block_count(channels) * CHANNELS, len(pairs), 2), dtype=np.int8)
    for number, pair in enumerate(pairs):
        for side, tap in enumerate(pair):
            if tap is not None:
                padded[:channels, number, side] = weights[:, tap]
    return padded.reshape(-1, CHANNELS, len(pairs), 2).transpose(0, 2, 1, 3).ravel()


def pack_parameters(biases: NDArray[Any], scales: NDArray[Any]) -> NDArray[np.int32]:
    """Eight biases, then eight scales (as their bits), for each block."""
    both = np.zeros((2, block_count(len(biases)) * CHANNELS), dtype=np.int32)
    both[0, : len(biases)] = biases
    both[1, : len(biases)] = np.ascontiguousarray(scales, dtype=np.float32).view(np.int32)
    return both.reshape(2, -1, CHANNELS).transpose(1, 0, 2).ravel()


def build_depthwise(
    module: Module, name: str, image: Image, zero_point: int, *, signed: bool, stored: Stored
) -> Function:
    """``(x, y, weights, parameters, outside)``: one image; ``outside`` is a line of zero points."""
    pairs = -(-image.kernel[0] * image.kernel[1] // 2)
    return build_blocks(module, name, image, zero_point, pairs, _line, signed=signed, stored=stored)


def build_blocks(
    module: Module, name: str, image: Image, zero_point: int, pairs: int, line: LineWriter, *, signed: bool,
    stored: Stored,
) -> Function:  # fmt: skip
    """The loops around ``line``, which writes one block of one line; parameters as for ``build_depthwise``."""
    fn = module.function(name)
    x, y, weights, parameters, outside = (
        fn.param(I32, word) for word in ("x", "y", "weights", "parameters", "outside")
    )
    full, rest = divmod(image.channels, CHANNELS)
    zero = fn.new(v128_const("i16x8", zero_point), "zero")
    rows, kept = fn.locals(I32, "row", image.kernel[0]), fn.locals(V128, "kept", 2 * pairs)
    biases, scales = fn.locals(V128, "bias", 2), fn.locals(V128, "scale", 2)
    block = Block(image, rows, fn.local(I32, "py"), kept, biases, scales, zero, signed, stored, CHANNELS)
    last = Block(image, rows, block.y, kept, biases, scales, zero, signed, stored, rest)

    def one(what: Block, oy: Local, at: Local) -> None:
        _load(fn, what, weights + at * (4 * pairs), parameters + at * PARAMETER_BYTES)
        _start_rows(fn, image, rows, oy, x + at, outside)
        fn.set(what.y, y + at + oy * (image.out_width * image.channels))
        line(fn, what)

    def blocks(oy: Local) -> None:
        if full:
            with fn.counted(full * CHANNELS, step=CHANNELS, name="block") as at:
                one(block, oy, at)
        if rest:
            one(last, oy, fn.new(full * CHANNELS))

    if image.height * image.width * image.channels > LARGE_BYTES:
        with fn.counted(image.out_height, name="line") as oy:
            blocks(oy)
        return fn
    if full:
        with (
            fn.counted(full * CHANNELS, step=CHANNELS, name="block") as at,
            fn.counted(image.out_height, name="line") as oy,
        ):
            one(block, oy, at)
    if rest:
        with fn.counted(image.out_height, name="line") as oy:
            one(last, oy, fn.new(full * CHANNELS))
    return fn


def _load(fn: Function, block: Block, weights: Expr, parameters: Expr) -> None:
    """A block's weights, biases and scales into locals."""
    source = fn.new(weights, "w")
    for number, vector in enumerate(block.weights):
        fn.set(vector, v128.load(source, offset=16 * number))
    source = fn.new(parameters, "p")
    for number, vector in enumerate((*block.biases, *block.scales)):
        fn.set(vector, v128.load(source, offset=16 * number))


def _start_rows(fn: Function, image: Image, rows: Sequence[Local], oy: Local, source: Expr, outside: Local) -> None:
    """Pointers to the image's first column for each kernel row."""
    line = image.width * image.channels
    start = fn.new(oy * image.strides[0] - image.pads[0], "top")
    for number, row in enumerate(rows):
        index = fn.new(start + number * image.dilations[0], "index")
        fn.set(row, select(source + index * line, outside, i32.lt_u(index, image.height)))


def advance(fn: Function, rows: Sequence[Local], step: int) -> None:
    """Move all rows."""
    if step:
        for row in rows:
            fn.advance(row, step)


def stretches(image: Image) -> tuple[Stretch, ...]:
    """The output line cut where the set of kernel columns inside the image changes."""
    left, stride, dilation = image.pads[1], image.strides[1], image.dilations[1]

    def inside(column: int) -> tuple[bool, ...]:
        return tuple(0 <= column * stride - left + k * dilation < image.width for k in range(image.kernel[1]))

    found = []
    for taps, group in groupby(range(image.out_width), key=inside):
        columns = list(group)
        found.append(Stretch(columns[0] * stride - left, len(columns), taps))
    return tuple(found)


def _line(fn: Function, block: Block) -> None:
    image, now = block.image, 0
    for part in stretches(image):
        first = max(part.first, 0)
        advance(fn, block.rows, (first - now) * image.channels)
        with fn.counted(part.count, name="column"):
            _position(fn, block, part)
            advance(fn, block.rows, image.strides[1] * image.channels)
            fn.advance(block.y, image.channels)
        now = first + part.count * image.strides[1]


def _position(fn: Function, block: Block, part: Stretch) -> None:
    """Eight channels of one output position."""
    image = block.image
    load = v128.load8x8_s if block.signed else v128.load8x8_u

    def tap(number: int) -> Local:
        row, column = divmod(number, image.kernel[1])
        if not part.inside[column]:
            return block.zero
        offset = (min(part.first, 0) + column * image.dilations[1]) * image.channels
        return fn.new(load(block.rows[row], offset=offset), "tap")

    taps = image.kernel[0] * image.kernel[1]
    sums: list[Expr] = list(block.biases)
    for pair in range(-(-taps // 2)):
        first = tap(2 * pair)
        second = tap(2 * pair + 1) if 2 * pair + 1 < taps else None
        for half in (0, 1):
            dot = i32x4.dot_i16x8_s(interleaved(first, second, half), block.weights[2 * pair + half])
            sums[half] = fn.new(i32x4.add(sums[half], dot), "sum")
    store_sums(fn, block, sums)


def store_sums(fn: Function, block: Block, sums: Sequence[Expr]) -> None:
    """Scale and store eight channels."""
    stored = block.stored
    words = [
        rounded(scaled(total, scale, stored), stored.zero_point)
        for total, scale in zip(sums, block.scales, strict=True)
    ]
    store_bytes(fn, block.y, narrowed(fn, words, stored), 0, block.used)


def interleaved(first: Local, second: Local | None, half: int) -> Expr:
    """Four lanes of both by turns: the lower ones or the upper ones."""
    if second is not None:
        return shuffle(first, second, _HIGH if half else _LOW)
    return (i32x4.extend_high_i16x8_u if half else i32x4.extend_low_i16x8_u)(first)


def emit_outside(fn: Function, target: int, nbytes: int, zero_point: int) -> None:
    """Fill the line of zero points."""
    filler = fn.new(v128_const("i8x16", (zero_point + 128) % 256 - 128), "zero")
    with fn.counted(nbytes, step=16, name="fill") as at:
        fn.do(v128.store(at + target, filler))
