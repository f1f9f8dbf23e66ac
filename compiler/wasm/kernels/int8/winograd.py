"""Exact integer 3x3 convolution (stride 1) by Winograd's F(4x4, 3x3): 36 products for 16 outputs instead of 144.

After A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), with the points 0, 1, -1,
2, -2 and infinity. Their matrices hold fractions; here they are scaled to integers, and nothing is ever rounded:

- inputs: ``V = B^T d B`` has coefficients whose magnitudes add up to 10 per dimension: ``|V| <= 100 * 255 < 2**15``;
- weights: ``U = G' g G'^T`` with rows of ``G`` times 24 (the last one times 12): ``|U| <= 12 * 12 * 127 < 2**15``;
- sums ``M`` of ``U * V`` over the channels, and the output transform, wrap around modulo 2**32;
- the result is ``576 * s`` modulo 2**32 for the sum ``s`` that a direct convolution gives. 576 is 64 * 9: multiplying
  by the inverse of 9 leaves ``64 * s`` modulo 2**32, and an arithmetic shift by 6 leaves ``s`` if ``|s| < 2**25``,
  which the compiler proves from the weights.

So the result has the same bits as a direct convolution's. Inputs are the widened image with its padding; a block of
tiles is transformed, multiplied plane by plane, and transformed back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.int8 import packing
from compiler.wasm.kernels.int8.conv import Image
from compiler.wasm.kernels.int8.gemm import LANES, Runs, accumulate, tile_rows
from compiler.wasm.kernels.int8.packing import WIDE, WORDS, Block, column_blocks
from compiler.wasm.kernels.int8.requantize import Stored, narrowed, rounded, scaled
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i16x8, i32, i32x4, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, V128, Expr

TILE = 4
"""Outputs of a tile, in each dimension."""

EDGE = 6
"""Inputs of a tile, in each dimension: 4 outputs and a kernel of 3."""

PLANES = EDGE * EDGE

SUMS_BELOW = 1 << 25
"""Sums must be smaller than this: 64 times a sum is known modulo 2**32."""

INVERSE_OF_9 = 954437177
"""9 * 954437177 is 1 modulo 2**32."""

SIXTY_FOUR = 6
"""The shift that divides by 64."""

BLOCK_TILES = 16
"""Tiles of a block: transformed inputs and sums of it stay in the second-level cache."""

PLANE_GAP = 64
"""Bytes between planes: at distances of powers of two they would fall into the same lines of the cache."""

LEAST_CHANNELS = 16
"""With fewer inputs or outputs the transforms cost more than they save."""

VECTOR = 8
"""int16 in a vector: channels must be a multiple of it."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tiles of an image, and where things lie in scratch (bytes). ``grid`` is the image padded up to whole tiles."""

    grid: Image
    down: int
    across: int
    rows: int

    @property
    def tiles(self) -> int:
        """Tiles of a block: ``rows`` rows of them."""
        return self.rows * self.across

    @property
    def line_bytes(self) -> int:
        """One line of the widened image."""
        return 2 * self.grid.channels * self.grid.padded[1]

    @property
    def lines_bytes(self) -> int:
        """The lines of one row of tiles after the first transform."""
        return EDGE * _line_stride(self)

    @property
    def input_plane(self) -> int:
        """Distance between planes of transformed inputs."""
        return 2 * self.tiles * self.grid.channels + PLANE_GAP

    @property
    def sum_plane(self) -> int:
        """Distance between planes of sums."""
        return 4 * self.tiles * self.columns + PLANE_GAP

    @property
    def columns(self) -> int:
        """Output channels with those that fill the last block."""
        return packing.padded_columns(self.grid.columns)

    @property
    def weight_plane(self) -> int:
        """Transformed weights of one plane."""
        return 2 * self.grid.channels * self.columns


def tiling(image: Image) -> Tiling:
    """Cut an image into tiles; rows of a block divide the image's rows of tiles."""
    down, across = -(-image.out_height // TILE), -(-image.out_width // TILE)
    top, left, _, _ = image.pads
    bottom, right = down * TILE + 2 - top - image.height, across * TILE + 2 - left - image.width
    rows = max(
        count for count in range(1, down + 1) if down % count == 0 and (count == 1 or count * across <= BLOCK_TILES)
    )
    return Tiling(replace(image, pads=(top, left, bottom, right)), down, across, rows)


def fits(image: Image, sums: packing.Sums) -> bool:
    """Whether this kernel can do it, and is faster than the direct one."""
    simple = (image.kernel, image.strides, image.dilations, image.groups) == ((3, 3), (1, 1), (1, 1), 1)
    whole = image.channels % VECTOR == 0 and image.columns % VECTOR == 0
    worth = min(image.channels, image.columns) >= LEAST_CHANNELS
    largest = max(-int(sums.lowest.min()), int(sums.highest.max()))
    return simple and whole and worth and largest < SUMS_BELOW


def pack_kernels(weights: NDArray[Any]) -> NDArray[np.int8]:
    """Weights [columns, channels, 3, 3] in the order of ``packing.pack_groups``, nine values for each place."""
    columns, channels = weights.shape[:2]
    taps = [packing.pack_groups(weights[:, :, k // 3, k % 3].reshape(columns, 1, channels), WORDS) for k in range(9)]
    return np.stack(taps, axis=1).ravel()


def pack_parameters(sums: packing.Sums, scales: NDArray[Any]) -> NDArray[np.int32]:
    """For four columns each: 64 times the biases, then the scales (as their bits)."""
    biases = (sums.biases << SIXTY_FOUR).astype(np.int32)
    bits = np.ascontiguousarray(scales, dtype=np.float32).view(np.int32)
    return np.stack([biases.reshape(-1, LANES), bits.reshape(-1, LANES)], axis=1).ravel()


def build_weights(module: Module, name: str) -> Function:
    """``(from, to, count, plane)``: transform ``count`` kernels of nine int8 into 36 planes of int16."""
    fn = module.function(name)
    source, target, count, plane = (fn.param(I32, word) for word in ("from", "to", "count", "plane"))
    with fn.loop("kernel") as label:
        taps = [[fn.new(i32.load8_s(source, offset=3 * row + col), "g") for col in range(3)] for row in range(3)]
        by_row = [_weight_transform(fn, [taps[row][col] for row in range(3)]) for col in range(3)]
        place = fn.new(target, "place")
        for row in range(EDGE):
            for value in _weight_transform(fn, [by_row[col][row] for col in range(3)]):
                fn.do(i32.store16(place, value))
                fn.advance(place, plane)
        fn.advance(source, 9)
        fn.advance(target, 2)
        fn.advance(count, -1)
        fn.br(label, count)
    return fn


def _weight_transform(fn: Function, g: Sequence[Local]) -> list[Local]:
    """Rows of ``G``, times 24 and (the last) 12: (6,0,0) (-4,-4,-4) (-4,4,-4) (1,2,4) (1,-2,4) (0,0,12)."""
    outer = fn.new((g[0] + g[2]) * -4, "o")
    middle, far = fn.new(g[1] * 4, "m"), fn.new(g[0] + g[2] * 4, "f")
    double = fn.new(g[1] * 2, "d")
    values = (g[0] * 6, outer - middle, outer + middle, far + double, far - double, g[2] * 12)
    return [fn.new(value, "u") for value in values]


def build_inputs(module: Module, name: str, plan: Tiling) -> Function:
    """``(x, lines, to)``: one row of tiles; ``lines`` holds the image lines after the first, vertical transform."""
    fn = module.function(name)
    x, lines, target = (fn.param(I32, word) for word in ("x", "lines", "to"))
    width = plan.grid.channels * (TILE * plan.across + 2)
    source, place = fn.new(x, "source"), fn.new(lines, "place")
    with fn.pointer_loop(source, width // VECTOR, 16, name="column"):
        inputs = [fn.new(v128.load(source, offset=row * plan.line_bytes), "d") for row in range(EDGE)]
        for row, value in enumerate(_input_transform(fn, inputs)):
            fn.do(v128.store(place, value, offset=row * _line_stride(plan)))
        fn.advance(place, 16)
    pixel = 2 * plan.grid.channels
    with fn.counted(EDGE, name="row"):
        source, place = fn.new(lines, "source"), fn.new(target, "place")
        with fn.counted(plan.across, name="tile"):
            with fn.pointer_loop(place, pixel // 16, 16, name="channel"):
                inputs = [fn.new(v128.load(source, offset=col * pixel), "d") for col in range(EDGE)]
                for col, value in enumerate(_input_transform(fn, inputs)):
                    fn.do(v128.store(place, value, offset=col * plan.input_plane))
                fn.advance(source, 16)
            fn.advance(source, (TILE - 1) * pixel)
        fn.advance(lines, _line_stride(plan))
        fn.advance(target, EDGE * plan.input_plane)
    return fn


def _line_stride(plan: Tiling) -> int:
    return 2 * plan.grid.channels * (TILE * plan.across + 2) + PLANE_GAP


def _input_transform(fn: Function, d: Sequence[Local]) -> list[Expr]:
    """``B^T d``: (4,0,-5,0,1,0) (0,-4,-4,1,1,0) (0,4,-4,-1,1,0) (0,-2,-1,2,1,0) (0,2,-1,-2,1,0) (0,4,0,-5,0,1)."""

    def new(value: Expr) -> Local:
        return fn.new(value, "b")

    def quadruple(value: Expr) -> Expr:
        return i16x8.shl(value, i32.const(2))

    even = new(i16x8.sub(d[4], quadruple(d[2])))
    odd = new(i16x8.sub(d[3], quadruple(d[1])))
    near = new(i16x8.sub(d[4], d[2]))
    half = new(i16x8.sub(d[3], d[1]))
    far = new(i16x8.add(half, half))
    return [
        i16x8.add(quadruple(i16x8.sub(d[0], d[2])), near),
        i16x8.add(even, odd),
        i16x8.sub(even, odd),
        i16x8.add(near, far),
        i16x8.sub(near, far),
        i16x8.sub(i16x8.sub(d[5], d[3]), i16x8.add(far, far)),
    ]


def build_products(module: Module, name: str, plan: Tiling) -> Function:
    """``(x, y, weights)``: plane by plane, transformed inputs of a block times transformed weights."""
    fn = module.function(name)
    x, y, weights = (fn.param(I32, word) for word in ("x", "y", "weights"))
    runs = Runs(WORDS, plan.grid.channels // 2, 2 * plan.grid.channels)
    with fn.counted(PLANES, name="plane"):
        target = fn.new(y, "target")
        blocks = column_blocks(plan.grid.columns)
        whole = sum(block.width == WIDE for block in blocks)
        for block, count in ((Block(0, WIDE, WIDE), whole), (blocks[-1], len(blocks) - whole)):
            if not count:
                continue
            with fn.counted(count, name="block"):
                _block_products(fn, x, target, weights, block, runs, plan)
                fn.advance(weights, 2 * block.width * plan.grid.channels)
                fn.advance(target, 4 * block.width)
        fn.advance(x, plan.input_plane)
        fn.advance(y, plan.sum_plane)
    return fn


def _block_products(fn: Function, x: Local, y: Local, weights: Local, block: Block, runs: Runs, plan: Tiling) -> None:
    source, target, left = fn.new(x, "px"), fn.new(y, "py"), plan.tiles
    for rows in (tile_rows(block.width), 1):
        turns, left = divmod(left, rows)
        if not turns:
            continue
        with fn.counted(turns, name="tiles"):
            totals = [fn.locals(V128, "sum", block.width // LANES) for _ in range(rows)]
            for total in (total for row in totals for total in row):
                fn.set(total, v128_const("i32x4", 0))
            accumulate(fn, source, weights, totals, runs)
            for row, sums in enumerate(totals):
                for quarter, total in enumerate(sums):
                    fn.do(v128.store(target, total, offset=4 * row * plan.columns + 16 * quarter))
            fn.advance(source, rows * runs.row_bytes)
            fn.advance(target, 4 * rows * plan.columns)


def build_outputs(module: Module, name: str, plan: Tiling, stored: Stored) -> Function:
    """``(sums, y, parameters, row)``: one row of tiles transformed back, scaled and stored; ``row`` counts from 0."""
    fn = module.function(name)
    sums, y, parameters, row = (fn.param(I32, word) for word in ("sums", "y", "parameters", "row"))
    image = plan.grid
    with fn.counted(plan.across, name="tile") as column:
        source = fn.new(parameters, "p")
        with fn.counted(image.columns // LANES, name="channel"):
            _tile_outputs(fn, plan, stored, (sums, y, source), row, column)
            fn.advance(sums, 16)
            fn.advance(y, LANES)
            fn.advance(source, 32)
        fn.advance(sums, 4 * (plan.columns - image.columns))
        fn.advance(y, (TILE - 1) * image.columns)
    return fn


def _tile_outputs(
    fn: Function, plan: Tiling, stored: Stored, at: tuple[Local, Local, Local], row: Local, column: Local
) -> None:
    """Four channels of one tile."""
    sums, y, parameters = at
    image = plan.grid
    by_column = []
    for col in range(EDGE):
        values = [fn.new(v128.load(sums, offset=(EDGE * line + col) * plan.sum_plane), "m") for line in range(EDGE)]
        by_column.append(_output_transform(fn, values))
    bias, scale = fn.new(v128.load(parameters), "bias"), fn.new(v128.load(parameters, offset=16), "scale")
    for line in range(TILE):
        outputs = _output_transform(fn, [by_column[col][line] for col in range(EDGE)])
        for col, total in enumerate(outputs):
            packed = _stored_sums(fn, total, bias, scale, stored)
            offset = (line * image.out_width + col) * image.columns
            if inside := _inside(image, plan, row, column, line, col):
                with fn.if_(inside):
                    fn.do(v128.store32_lane(y, packed, 0, offset=offset))
            else:
                fn.do(v128.store32_lane(y, packed, 0, offset=offset))


def _inside(image: Image, plan: Tiling, row: Local, column: Local, line: int, col: int) -> Expr | None:
    """Whether an output of the last tiles exists; ``None`` if it always does."""
    below = (plan.down - 1) * TILE + line >= image.out_height
    beside = (plan.across - 1) * TILE + col >= image.out_width
    if below and beside:
        return i32.and_(i32.ne(row, plan.down - 1), i32.ne(column, plan.across - 1))
    if below:
        return i32.ne(row, plan.down - 1)
    return i32.ne(column, plan.across - 1) if beside else None


def _output_transform(fn: Function, m: Sequence[Local]) -> list[Local]:
    """``A^T m``, times 24: (1,1,1,1,1,0) (0,1,-1,2,-2,0) (0,1,1,4,4,0) (0,1,-1,8,-8,2)."""

    def new(value: Expr) -> Local:
        return fn.new(value, "a")

    sum_near, sum_far = new(i32x4.add(m[1], m[2])), new(i32x4.add(m[3], m[4]))
    near, far = new(i32x4.sub(m[1], m[2])), new(i32x4.sub(m[3], m[4]))
    last = new(i32x4.add(i32x4.shl(far, i32.const(2)), m[5]))
    return [
        new(i32x4.add(i32x4.add(m[0], sum_near), sum_far)),
        new(i32x4.add(near, i32x4.add(far, far))),
        new(i32x4.add(sum_near, i32x4.shl(sum_far, i32.const(2)))),
        new(i32x4.add(near, i32x4.add(last, last))),
    ]


def _stored_sums(fn: Function, total: Local, bias: Local, scale: Local, stored: Stored) -> Expr:
    """576 times four sums to four stored bytes."""
    times_64 = i32x4.add(i32x4.mul(total, v128_const("i32x4", INVERSE_OF_9)), bias)
    exact = i32x4.shr_s(times_64, i32.const(SIXTY_FOUR))
    word = fn.new(rounded(scaled(exact, scale, stored), stored.zero_point), "word")
    return narrowed(fn, [word, word], stored)
