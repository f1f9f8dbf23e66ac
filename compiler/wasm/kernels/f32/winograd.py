"""3x3 convolution of stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 products where the direct sum has 144.

Tiles of 6x6 inputs overlap by two and give 4x4 outputs: ``Y = A^T [(G g G^T) * (B^T d B)] A`` with the points
0, 1, -1, 2, -2 (A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, section
4.3). The 36 products of a block of tiles are 36 matrix products over the channels.

The input is first copied into a frame of zeros, so that all tiles are alike. Results differ from the direct sum by
3e-6 to 4e-6 of the largest output, seldom by 1e-5. An infinity or NaN spreads over its 4x4 tile of outputs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.f32.epilogue import Epilogue
from compiler.wasm.kernels.f32.gemm import GemmShape, gemm_function
from compiler.wasm.kernels.f32.loops import countdown, repeated
from compiler.wasm.kernels.f32.packing import F32_BYTES, LANES, Panels, pack_matrix
from compiler.wasm.kernels.f32.tiles import Tile
from compiler.wasm.kernels.f32.window import Axis
from compiler.wasm.specs import Activation
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, i32, memory, select, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, Expr, as_i32

OUT, IN = 4, 6
"""Edge of a tile's outputs and inputs."""

POINTS = IN * IN
"""Products of a tile and channel."""

VECTOR_BYTES = 16

PLANE_GAP_BYTES = 64
"""Between the planes of a transform: planes a power of two apart would share cache sets (up to 2.8 times slower)."""

MAX_BLOCK = 16
"""Most tiles of a block: its transforms stay in the second-level cache."""

_G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)


@dataclass(frozen=True, slots=True)
class WinogradShape:
    """A convolution of ``images``; ``channels`` and ``filters`` are multiples of four, kernels 3x3, strides 1."""

    images: int
    y: Axis
    x: Axis
    channels: int
    filters: int
    tile: Tile
    epilogue: Epilogue

    @property
    def key(self) -> str:
        """Equal for convolutions that one function serves."""
        sizes = (self.images, self.y, self.x, self.channels, self.filters, self.tile)
        return f"winograd_f32:{sizes}:{self.epilogue.key}"

    @property
    def panels(self) -> Panels:
        """How the filters are cut."""
        return Panels(self.filters, self.tile.width)

    @property
    def rows(self) -> int:
        """Tiles of an image, from top to bottom."""
        return -(-self.y.out // OUT)

    @property
    def columns(self) -> int:
        """Tiles of an image, from left to right."""
        return -(-self.x.out // OUT)

    @property
    def tiles(self) -> int:
        """Tiles of all images."""
        return self.images * self.rows * self.columns

    @property
    def block(self) -> int:
        """Tiles of a block: the size that wastes least in the last block, then the largest."""
        sizes = range(1, min(MAX_BLOCK, self.tiles) + 1)
        large = [size for size in sizes if size * 2 >= len(sizes)]
        return min(large, key=lambda size: (-(-self.tiles // size) * size, -size))

    @property
    def frame(self) -> tuple[int, int]:
        """Rows and columns of an image with its frame of zeros."""
        return self.rows * OUT + IN - OUT, self.columns * OUT + IN - OUT

    @property
    def frame_line_bytes(self) -> int:
        """From one line of the frame to the next."""
        return self.frame[1] * self.channels * F32_BYTES

    @property
    def input_plane(self) -> int:
        """Bytes from one point's transformed inputs to the next point's."""
        return self.block * self.channels * F32_BYTES + PLANE_GAP_BYTES

    @property
    def weight_plane(self) -> int:
        """The same for weights."""
        return self.channels * self.panels.padded * F32_BYTES + PLANE_GAP_BYTES

    @property
    def output_plane(self) -> int:
        """The same for products."""
        return self.block * self.filters * F32_BYTES + PLANE_GAP_BYTES

    @property
    def scratch(self) -> dict[str, int]:
        """Bytes of the areas that ``winograd_function`` takes, in the order of its parameters."""
        return {
            "frame": self.images * self.frame[0] * self.frame_line_bytes,
            "inputs": POINTS * self.input_plane,
            "products": POINTS * self.output_plane,
            "half": POINTS * VECTOR_BYTES,
        }


def pack_winograd(weights: NDArray[np.float32], shape: WinogradShape) -> NDArray[np.float32]:
    """[O, C, 3, 3] as 36 packed matrices [C, O], each with a gap behind it."""
    points = np.einsum("ia,ocab,jb->ijco", _G, weights.astype(np.float64), _G).astype(np.float32)
    gap = np.zeros(PLANE_GAP_BYTES // F32_BYTES, dtype=np.float32)
    planes = points.reshape(POINTS, shape.channels, shape.filters)
    packed = [pack_matrix(plane, shape.panels, dot=shape.tile.dot) for plane in planes]
    return np.concatenate([part for plane in packed for part in (plane, gap)])


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
    product = _product_function(module, f"{name}_product", shape)
    into = _input_function(module, f"{name}_in", shape)
    sizes = [(height, width) for height in _heights(shape.y.out) for width in _heights(shape.x.out)]
    outs = {size: _output_function(module, f"{name}_out{size[0]}x{size[1]}", shape, *size) for size in sizes}
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
    tile = OUT * shape.channels * F32_BYTES
    line = shape.frame_line_bytes
    return _Moving(pointer, tile, OUT * line - shape.columns * tile, (IN - OUT) * line)


def _out_moves(shape: WinogradShape, pointer: Local) -> _Moving:
    tile = OUT * shape.filters * F32_BYTES
    line = shape.x.out * shape.filters * F32_BYTES
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
        fn.advance(at, channels * F32_BYTES)
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
    pixel = shape.channels * F32_BYTES
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


def _input_function(module: Module, name: str, shape: WinogradShape) -> Function:
    """(source, half, inputs): ``B^T d B`` of one tile, four channels at a time."""
    fn = module.function(name)
    source, half, inputs = (fn.param(I32, part) for part in ("source", "half", "inputs"))
    with countdown(fn, shape.channels // LANES, name="channel"):
        for x in range(IN):
            offset = x * shape.channels * F32_BYTES
            column = [fn.new(v128.load(source, offset=y * shape.frame_line_bytes + offset), "d") for y in range(IN)]
            for y, value in enumerate(_into_points(fn, column)):
                fn.do(v128.store(half, value, offset=(y * IN + x) * VECTOR_BYTES))
        for y in range(IN):
            row = [fn.new(v128.load(half, offset=(y * IN + x) * VECTOR_BYTES), "d") for x in range(IN)]
            for x, value in enumerate(_into_points(fn, row)):
                fn.do(v128.store(inputs, value, offset=(y * IN + x) * shape.input_plane))
        fn.advance(source, VECTOR_BYTES)
        fn.advance(inputs, VECTOR_BYTES)
    return fn


def _output_function(module: Module, name: str, shape: WinogradShape, height: int, width: int) -> Function:
    """(products, half, bias, [residual,] out): ``A^T m A`` of one tile; stores its first ``height`` x ``width``."""
    fn = module.function(name)
    products, half, bias = (fn.param(I32, part) for part in ("products", "half", "bias"))
    residual = fn.param(I32, "residual") if shape.epilogue.residual else None
    out = fn.param(I32, "out")
    pixel = shape.filters * F32_BYTES
    with countdown(fn, shape.filters // LANES, name="filter"):
        for x in range(IN):
            column = [fn.new(v128.load(products, offset=(y * IN + x) * shape.output_plane), "m") for y in range(IN)]
            for y, value in enumerate(_from_points(fn, column)[:height]):
                fn.do(v128.store(half, value, offset=(y * IN + x) * VECTOR_BYTES))
        start = fn.new(v128.load(bias), "start")
        for y in range(height):
            row = [fn.new(v128.load(half, offset=(y * IN + x) * VECTOR_BYTES), "m") for x in range(IN)]
            for x, value in enumerate(_from_points(fn, row)[:width]):
                offset = (y * shape.x.out + x) * pixel
                total = shape.epilogue.finish(fn, f32x4.add(value, start), residual, offset)
                fn.do(v128.store(out, total, offset=offset))
        for pointer in (products, bias, residual, out):
            if pointer is not None:
                fn.advance(pointer, VECTOR_BYTES)
    return fn


def _into_points(fn: Function, d: Sequence[Local]) -> list[Expr]:
    """``B^T d``: six inputs at the points 0, 1, -1, 2, -2 and infinity."""
    two, four = v128_const("f32x4", 2.0), v128_const("f32x4", 4.0)
    outer = fn.new(f32x4.sub(d[4], d[2]), "c")
    inner = fn.new(f32x4.sub(d[3], d[1]), "f")
    even = fn.new(f32x4.sub(d[4], f32x4.mul(four, d[2])), "a")
    odd = fn.new(f32x4.sub(d[3], f32x4.mul(four, d[1])), "b")
    twice = fn.new(f32x4.mul(two, inner), "e")
    return [
        f32x4.add(f32x4.mul(four, f32x4.sub(d[0], d[2])), outer),
        f32x4.add(even, odd),
        f32x4.sub(even, odd),
        f32x4.add(outer, twice),
        f32x4.sub(outer, twice),
        f32x4.sub(f32x4.sub(d[5], d[3]), f32x4.mul(four, inner)),
    ]


def _from_points(fn: Function, m: Sequence[Local]) -> list[Expr]:
    """``A^T m``: four outputs from six points."""
    two, four, eight = (v128_const("f32x4", value) for value in (2.0, 4.0, 8.0))
    even, far = fn.new(f32x4.add(m[1], m[2]), "p"), fn.new(f32x4.add(m[3], m[4]), "r")
    odd, far_odd = fn.new(f32x4.sub(m[1], m[2]), "q"), fn.new(f32x4.sub(m[3], m[4]), "s")
    return [
        f32x4.add(f32x4.add(m[0], even), far),
        f32x4.add(odd, f32x4.mul(two, far_odd)),
        f32x4.add(even, f32x4.mul(four, far)),
        f32x4.add(f32x4.add(odd, f32x4.mul(eight, far_odd)), m[5]),
    ]
