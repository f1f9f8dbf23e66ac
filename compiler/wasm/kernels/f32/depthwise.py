"""Depthwise convolution over NHWC: one filter per channel, four channels a vector.

Loop order: output rows, blocks of four channels, output columns. The weights of a block stay in locals; a tile of
neighbouring outputs shares every input pixel it loads. Taps outside the input are left out at compile time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.f32.epilogue import Epilogue, store_lanes
from compiler.wasm.kernels.f32.loops import repeated
from compiler.wasm.kernels.f32.pointers import copied
from compiler.wasm.kernels.f32.window import Axis
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, i32, v128
from wasm_emit.module import Module
from wasm_emit.types import I32

MAX_TAPS = 25
"""Largest kernel (5x5) that is unrolled; more taps would only spill their weights (``depthwise_large.py``)."""


@dataclass(frozen=True, slots=True)
class DepthwiseShape:
    """``images`` x ``channels``, a window along each axis, ``tile`` = output rows x columns at a time."""

    images: int
    y: Axis
    x: Axis
    channels: int
    tile: tuple[int, int]
    epilogue: Epilogue

    @property
    def key(self) -> str:
        """Equal for convolutions that one function serves."""
        return f"depthwise_f32:{(self.images, self.y, self.x, self.channels, self.tile)}:{self.epilogue.key}"

    @property
    def pixel_bytes(self) -> int:
        """From one pixel to the next."""
        return self.channels * FLOAT_BYTES

    @property
    def taps(self) -> int:
        """Taps of the kernel."""
        return self.y.kernel * self.x.kernel


def pack_depthwise(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """[C, 1, kh, kw] as [C/4][kh][kw][4], zeros behind the last channel."""
    channels, _, height, width = weights.shape
    padded = np.zeros((-(-channels // FLOAT_LANES) * FLOAT_LANES, height, width), dtype=np.float32)
    padded[:channels] = weights[:, 0]
    return np.ascontiguousarray(padded.reshape(-1, FLOAT_LANES, height, width).transpose(0, 2, 3, 1))


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Neighbouring output positions along an axis: the (tap, input position) pairs of each, counted from ``origin``."""

    origin: int
    reads: tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True, slots=True)
class _At:
    x: Local
    residual: Local | None
    out: Local

    def outputs(self) -> list[Local]:
        return [self.out] if self.residual is None else [self.out, self.residual]


def depthwise_function(module: Module, name: str, shape: DepthwiseShape) -> Function:
    """A function (x, w, bias, [residual,] out) of addresses that computes the whole convolution."""
    fn = module.function(name)
    x, w, bias = fn.param(I32, "x"), fn.param(I32, "w"), fn.param(I32, "bias")
    residual = fn.param(I32, "residual") if shape.epilogue.residual else None
    at = _At(x, residual, fn.param(I32, "out"))
    line, out_line = shape.x.size * shape.pixel_bytes, shape.x.out * shape.pixel_bytes
    with repeated(fn, at.x, shape.images, shape.y.size * line, name="image"):
        for rows, turns in _chunks(shape.y, shape.tile[0]):
            y_in = fn.new(at.x + rows.origin * line, "y_in")
            with repeated(fn, y_in, turns, len(rows.reads) * shape.y.stride * line, name="y"):
                _blocks(fn, shape, rows, _At(y_in, at.residual, at.out), w, bias)
                for pointer in at.outputs():
                    fn.advance(pointer, len(rows.reads) * out_line)
    return fn


def _chunks(axis: Axis, size: int) -> Iterator[tuple[_Chunk, int]]:
    """Positions in chunks of ``size``, and how many chunks in a row read alike."""
    made = [_chunk(axis, range(start, min(start + size, axis.out))) for start in range(0, axis.out, size)]
    for _, run in groupby(made, key=lambda chunk: chunk.reads):
        same = list(run)
        yield same[0], len(same)


def _chunk(axis: Axis, positions: range) -> _Chunk:
    places = [[(tap, p * axis.stride - axis.pad + tap * axis.dilation) for tap in axis.taps(p)] for p in positions]
    origin = min((source for reads in places for _, source in reads), default=0)
    return _Chunk(origin, tuple(tuple((tap, source - origin) for tap, source in reads) for reads in places))


def _blocks(fn: Function, shape: DepthwiseShape, rows: _Chunk, at: _At, w: Local, bias: Local) -> None:
    """All channels of one chunk of rows."""
    full, rest = divmod(shape.channels, FLOAT_LANES)
    block = _At(fn.new(at.x, "x"), copied(fn, at.residual), fn.new(at.out, "out"))
    weights, offsets = fn.new(w, "w"), fn.new(bias, "bias")
    for lanes, turns in ((FLOAT_LANES, full), (rest, 1)):
        if not lanes or not turns:
            continue
        with repeated(fn, weights, turns, shape.taps * VECTOR_BYTES, name="block"):
            held = [fn.new(v128.load(weights, offset=tap * VECTOR_BYTES), "wt") for tap in range(shape.taps)]
            _columns(fn, shape, rows, block, held, fn.new(v128.load(offsets), "start"), lanes)
            fn.advance(offsets, VECTOR_BYTES)
            fn.advance(block.x, VECTOR_BYTES)
            for pointer in block.outputs():
                fn.advance(pointer, VECTOR_BYTES)


def _columns(
    fn: Function, shape: DepthwiseShape, rows: _Chunk, at: _At, weights: list[Local], start: Local, lanes: int
) -> None:
    """One block of channels along the rows of a chunk."""
    pixel = shape.pixel_bytes
    run = _At(at.x, copied(fn, at.residual), fn.new(at.out, "x_out"))
    for columns, turns in _chunks(shape.x, shape.tile[1]):
        x_in = fn.new(at.x + columns.origin * pixel, "x_in")
        with repeated(fn, x_in, turns, len(columns.reads) * shape.x.stride * pixel, name="x"):
            _tile(fn, shape, (rows, columns), _At(x_in, run.residual, run.out), weights, start, lanes)
            for pointer in run.outputs():
                fn.advance(pointer, len(columns.reads) * pixel)


def _tile(
    fn: Function, shape: DepthwiseShape, chunks: tuple[_Chunk, _Chunk], at: _At, weights: list[Local], start: Local,
    lanes: int,
) -> None:  # fmt: skip
    """A tile of outputs; every input pixel is loaded once and taps come in the kernel's order for each output.

    A branch that is never taken (no address is 0) parts the input's rows: Cranelift moves all arithmetic of a block
    behind its loads, and would spill most of what it loads (8 % slower; V8 is 2 % slower with the branch).
    """
    rows, columns = chunks
    pixel = shape.pixel_bytes
    line, out_line = shape.x.size * pixel, shape.x.out * pixel
    sums = {(r, c): fn.new(start, "acc") for r in range(len(rows.reads)) for c in range(len(columns.reads))}
    uses = sorted(
        (y, x, ky * shape.x.kernel + kx, place)
        for place in sums
        for ky, y in rows.reads[place[0]]
        for kx, x in columns.reads[place[1]]
    )
    with fn.block("tile") as never:
        for y, row in groupby(uses, key=lambda use: use[0]):
            if y != uses[0][0]:
                fn.br(never, i32.eqz(at.x))
            for x, together in groupby(row, key=lambda use: use[1]):
                value = fn.new(v128.load(at.x, offset=y * line + x * pixel), "v")
                for _, _, tap, place in together:
                    fn.set(sums[place], f32x4.add(sums[place], f32x4.mul(value, weights[tap])))
    for (r, c), total in sums.items():
        offset = r * out_line + c * pixel
        store_lanes(fn, at.out, shape.epilogue.finish(fn, total, at.residual, offset), offset, lanes)
