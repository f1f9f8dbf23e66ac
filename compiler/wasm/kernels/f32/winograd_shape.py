"""Sizes of a Winograd convolution: its tiles, the areas that it works in, and its weights as they are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.f32.epilogue import Epilogue
from compiler.wasm.kernels.f32.packing import Panels, pack_matrix
from compiler.wasm.kernels.f32.tiles import Tile
from compiler.wasm.kernels.f32.window import Axis
from compiler.wasm.numerics.sizes import FLOAT_BYTES, VECTOR_BYTES

OUT, IN = 4, 6
"""Edge of a tile's outputs and inputs."""

POINTS = IN * IN
"""Products of a tile and channel."""

TAPS = 9
"""Weights of a filter for one channel."""

PLANE_GAP_BYTES = 64
"""Between the planes of a transform: planes a power of two apart would share cache sets (up to 2.8 times slower)."""

MAX_BLOCK = 16
"""Most tiles of a block: its transforms stay in the second-level cache."""


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
    def input_key(self) -> str:
        """Equal for convolutions whose inputs one function transforms."""
        return f"in_{self.channels}_{self.frame_line_bytes}_{self.input_plane}"

    @property
    def product_key(self) -> str:
        """Equal for convolutions that multiply alike."""
        return f"product_{self.block}x{self.channels}x{self.filters}"

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
        return self.frame[1] * self.channels * FLOAT_BYTES

    @property
    def input_plane(self) -> int:
        """Bytes from one point's transformed inputs to the next point's."""
        return self.block * self.channels * FLOAT_BYTES + PLANE_GAP_BYTES

    @property
    def tap_plane(self) -> int:
        """Bytes from one tap's weights to the next tap's."""
        return self.channels * self.panels.padded * FLOAT_BYTES

    @property
    def weight_plane(self) -> int:
        """Bytes from one point's transformed weights to the next point's."""
        return self.tap_plane + PLANE_GAP_BYTES

    @property
    def output_plane(self) -> int:
        """The same for products."""
        return self.block * self.filters * FLOAT_BYTES + PLANE_GAP_BYTES

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
    """[O, C, 3, 3] as nine packed matrices [C, O]: the transform takes values that lie alike, and leaves them so."""
    taps = weights.transpose(2, 3, 1, 0).reshape(TAPS, shape.channels, shape.filters)
    return np.concatenate([pack_matrix(tap, shape.panels, dot=shape.tile.dot) for tap in taps])
