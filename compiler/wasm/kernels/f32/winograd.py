"""3x3 convolution of stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 products where the direct sum has 144.

Tiles of 6x6 inputs overlap by two and give 4x4 outputs: ``Y = A^T [(G g G^T) * (B^T d B)] A`` (A. Lavin and S. Gray,
"Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, section 4.3). The 36 products of a block of tiles
are 36 matrix products over the channels. ``init`` transforms the weights.

The input is first copied into a frame of zeros, so that all tiles are alike. Results differ from the exact sum by up
to 1.2e-6 of the largest output at 64 channels and 2.3e-6 at 512 (random data; the direct sum: 4e-7 and 1.2e-6). An
infinity or NaN spreads over its 4x4 tile of outputs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from compiler.wasm.kernels.f32.epilogue import Epilogue
from compiler.wasm.kernels.f32.gemm import GemmShape, gemm_function
from compiler.wasm.kernels.f32.loops import countdown, repeated
from compiler.wasm.kernels.f32.winograd_shape import IN, OUT, POINTS, WinogradShape
from compiler.wasm.kernels.f32.winograd_transforms import input_function, output_function
from compiler.wasm.numerics.sizes import FLOAT_BYTES, VECTOR_BYTES
from compiler.wasm.specs import Activation
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, memory, select, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, as_i32


@dataclass(frozen=True, slots=True)
class _Moving:
    """A pointer into an image, and what it moves by: tile to tile, behind a row of tiles, behind an image (bytes)."""

    pointer: Local
    tile: int
    row: int
    image: int


class _Walk:
    """The tiles of all images in order: pointers, and the current tile's place in its image."""

    def __init__(self, fn: Function, shape: WinogradShape, moving: Sequence[_Moving]) -> None:
        self.fn, self.shape, self.moving = fn, shape, moving
        self.column, self.row = fn.new(0, "column"), fn.new(0, "row")

    def advance(self) -> None:
        """Go to the next tile."""
        fn = self.fn
        fn.advance(self.column, 1)
        for one in self.moving:
            fn.advance(one.pointer, one.tile)
        with fn.if_(i32.eq(self.column, self.shape.columns)):
            fn.set(self.column, 0)
            fn.advance(self.row, 1)
            for one in self.moving:
                fn.advance(one.pointer, one.row)
            with fn.if_(i32.eq(self.row, self.shape.rows)):
                fn.set(self.row, 0)
                for one in self.moving:
                    fn.advance(one.pointer, one.image)


def winograd_function(module: Module, name: str, shape: WinogradShape) -> Function:
    """A function (x, w, bias, [residual,] frame, inputs, products, half, out) of addresses.

    The four before ``out`` are the areas of ``scratch``.
    """
    product = module.shared(
        f"winograd_f32_{shape.product_key}", lambda module, own: _product_function(module, own, shape)
    )
    into = module.shared(f"winograd_f32_{shape.input_key}", lambda module, own: input_function(module, own, shape))
    sizes = [(height, width) for height in _heights(shape.y.out) for width in _heights(shape.x.out)]
    outs = {size: output_function(module, f"{name}_out{size[0]}x{size[1]}", shape, *size) for size in sizes}
    fn = module.function(name)
    x, w, bias = (fn.param(I32, part) for part in ("x", "w", "bias"))
    residual = [fn.param(I32, "residual")] if shape.epilogue.residual else []
    frame, inputs, products, half, out = (fn.param(I32, p) for p in ("frame", "inputs", "products", "half", "out"))
    _fill_frame(fn, shape, x, fn.new(frame, "line"))
    source = _Walk(fn, shape, [_frame_moves(shape, frame)])
    target = _Walk(fn, shape, [_out_moves(shape, pointer) for pointer in (*residual, out)])
    left = fn.new(shape.tiles, "left")
    with countdown(fn, -(-shape.tiles // shape.block), name="block"):
        with _each_tile(fn, shape, left, inputs, shape.channels) as at:
            fn.do(fn.call(into, frame, half, at))
            source.advance()
        fn.do(fn.call(product, inputs, w, products))
        with _each_tile(fn, shape, left, products, shape.filters) as at:
            _store_tile(fn, target, outs, [at, half, bias, *residual, out])
            target.advance()
        fn.advance(left, -shape.block)
    return fn


def _heights(out: int) -> list[int]:
    """Edges of the tiles along an axis: four, and what is left for the last."""
    rest = out % OUT
    return [OUT, rest] if rest and out > OUT else [rest or OUT]


def _frame_moves(shape: WinogradShape, pointer: Local) -> _Moving:
    tile = OUT * shape.channels * FLOAT_BYTES
    line = shape.frame_line_bytes
    return _Moving(pointer, tile, OUT * line - shape.columns * tile, (IN - OUT) * line)


def _out_moves(shape: WinogradShape, pointer: Local) -> _Moving:
    tile = OUT * shape.filters * FLOAT_BYTES
    line = shape.x.out * shape.filters * FLOAT_BYTES
    return _Moving(pointer, tile, OUT * line - shape.columns * tile, (shape.y.out - shape.rows * OUT) * line)


@contextmanager
def _each_tile(fn: Function, shape: WinogradShape, left: Local, area: Local, channels: int) -> Iterator[Local]:
    """A loop over the tiles of a block; yields the address of its values in the first plane of ``area``."""
    at = fn.new(area, "at")
    count = fn.new(left, "count")
    if shape.tiles % shape.block:
        fn.set(count, select(left, as_i32(shape.block), i32.lt_s(left, shape.block)))
    else:
        fn.set(count, shape.block)
    with fn.loop("tile") as again:
        yield at
        fn.advance(at, channels * FLOAT_BYTES)
        fn.advance(count, -1)
        fn.br(again, count)


def _store_tile(
    fn: Function, walk: _Walk, outs: Mapping[tuple[int, int], Function], arguments: Sequence[Local]
) -> None:
    """Call the output function for the size of the current tile."""
    shape = walk.shape
    last = {"row": i32.eq(walk.row, shape.rows - 1), "column": i32.eq(walk.column, shape.columns - 1)}
    heights, widths = _heights(shape.y.out), _heights(shape.x.out)
    with fn.block("stored") as done:
        for height in heights[::-1]:
            for width in widths[::-1]:
                conditions = [last["row"]] * (height != heights[0]) + [last["column"]] * (width != widths[0])
                condition = functools.reduce(i32.and_, conditions) if conditions else None
                if condition is None:
                    fn.do(fn.call(outs[height, width], *arguments))
                    continue
                with fn.if_(condition):
                    fn.do(fn.call(outs[height, width], *arguments))
                    fn.br(done)


def _fill_frame(fn: Function, shape: WinogradShape, x: Local, line: Local) -> None:
    """Copy the images between zeros; moves both pointers."""
    pixel = shape.channels * FLOAT_BYTES
    inner, whole = shape.x.size * pixel, shape.frame_line_bytes
    below = shape.frame[0] - shape.y.pad - shape.y.size
    before = shape.x.pad * pixel
    with countdown(fn, shape.images, name="image"):
        _zero(fn, line, shape.y.pad * whole + before)
        for turns, gap in ((shape.y.size - 1, whole - inner), (1, whole - inner - before + below * whole)):
            if turns:
                with repeated(fn, x, turns, inner, name="line"):
                    fn.do(memory.copy(line, x, inner))
                    fn.advance(line, inner)
                    _zero(fn, line, gap)


def _zero(fn: Function, pointer: Local, nbytes: int) -> None:
    """Store zeros and move the pointer behind them; ``nbytes`` is a multiple of sixteen."""
    if nbytes:
        with countdown(fn, nbytes // VECTOR_BYTES, name="zero"):
            fn.do(v128.store(pointer, v128_const("f32x4", 0.0)))
            fn.advance(pointer, VECTOR_BYTES)


def _product_function(module: Module, name: str, shape: WinogradShape) -> Function:
    """(inputs, w, products): the matrix products of a block, point by point."""
    one = gemm_function(
        module,
        f"{name}_point",
        GemmShape(
            rows=shape.block,
            depth=shape.channels,
            columns=shape.filters,
            a_stride=shape.channels,
            c_stride=shape.filters,
            tile=shape.tile,
            epilogue=Epilogue(activation=Activation()),
            bias=False,
        ),
    )
    fn = module.function(name)
    a, b, c = (fn.param(I32, part) for part in ("inputs", "w", "products"))
    with countdown(fn, POINTS, name="point"):
        fn.do(fn.call(one, a, b, c))
        fn.advance(a, shape.input_plane)
        fn.advance(b, shape.weight_plane)
        fn.advance(c, shape.output_plane)
    return fn
