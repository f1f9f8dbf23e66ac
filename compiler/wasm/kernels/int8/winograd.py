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

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.int8 import packing
from compiler.wasm.kernels.int8.gemm import LANES, Runs, accumulate, tile_rows
from compiler.wasm.kernels.int8.image import Image
from compiler.wasm.kernels.int8.packing import WIDE, WORDS, Block, column_blocks
from wasm_emit.function import Function, Local
from wasm_emit.instructions import v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, V128

TILE = 4
"""Outputs of a tile, in each dimension."""

EDGE = 6
"""Inputs of a tile, in each dimension: 4 outputs and a kernel of 3."""

PLANES = EDGE * EDGE

TAPS = 9
"""Weights of a kernel."""

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

VECTOR = 8
"""int16 in a vector: channels, in and out, must be a multiple of it. Eight of them pay already (0.7 of the time)."""


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
    def line_stride(self) -> int:
        """Distance between the lines of one row of tiles after the first transform."""
        return 2 * self.grid.channels * (TILE * self.across + 2) + PLANE_GAP

    @property
    def lines_bytes(self) -> int:
        """All lines of one row of tiles after the first transform."""
        return EDGE * self.line_stride

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
    """Whether this kernel can do it; it is always faster then (0.3 to 0.7 of the direct kernel's time)."""
    simple = (image.kernel, image.strides, image.dilations, image.groups) == ((3, 3), (1, 1), (1, 1), 1)
    whole = image.channels % VECTOR == 0 and image.columns % VECTOR == 0
    largest = max(-int(sums.lowest.min()), int(sums.highest.max()))
    return simple and whole and largest < SUMS_BELOW


def pack_kernels(weights: NDArray[Any]) -> NDArray[np.int8]:
    """Weights [columns, channels, 3, 3] in the order of ``packing.pack_groups``, nine values for each place."""
    columns, channels = weights.shape[:2]
    taps = [packing.pack_groups(weights[:, :, k // 3, k % 3].reshape(columns, 1, channels), WORDS) for k in range(TAPS)]
    return np.stack(taps, axis=1).ravel()


def pack_parameters(sums: packing.Sums, scales: NDArray[Any]) -> NDArray[np.int32]:
    """For four columns each: 64 times the biases, then the scales (as their bits)."""
    biases = (sums.biases << SIXTY_FOUR).astype(np.int32)
    bits = np.ascontiguousarray(scales, dtype=np.float32).view(np.int32)
    return np.stack([biases.reshape(-1, LANES), bits.reshape(-1, LANES)], axis=1).ravel()


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
