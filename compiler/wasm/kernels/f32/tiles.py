"""The small tested table of tiles: rows times columns of the output that stay in registers."""

from __future__ import annotations

from dataclasses import dataclass

GEMV_WIDTH = 28
"""Columns of a panel where an item has one row.

Seven sums hide an addition's latency; with seven vectors of weights they still fit into sixteen registers.
"""


DOT_DEPTH = 64
"""From this many products on, ``DotSums`` is faster."""


WINOGRAD_CHANNELS = 8
"""Fewest channels and filters for Winograd."""

WINOGRAD_WASTE = 2.0
"""Most outputs computed for each one wanted."""

WINOGRAD_BYTES = 64 * 1024 * 1024
"""Most bytes of memory for a layer's transformed weights, which are four times as large as those in the file.

Larger layers would be faster too (0.35 to 0.65 of the direct sum's time at 1024 x 1024), but every instance holds its
own.
"""


@dataclass(frozen=True, slots=True)
class Tile:
    """``rows`` x ``width`` outputs per inner loop; ``width`` is that of a weight panel."""

    rows: int
    width: int
    dot: bool = False


def gemm_tile(rows: int, depth: int, columns: int, run: int) -> Tile:
    """The tile for an output of ``rows`` x ``columns`` for each item, over ``depth`` products.

    ``run`` is how many of them lie next to each other in an input row.
    """
    if rows == 1:
        return Tile(1, min(GEMV_WIDTH, -(-columns // 4) * 4))
    if run % 4 == 0 and depth >= DOT_DEPTH:
        return Tile(2, 4, dot=True)
    if columns > 8:  # noqa: PLR2004 - two vectors
        return Tile(2, 16)
    return Tile(4, 8 if columns > 4 else 4)  # noqa: PLR2004 - one vector


DEPTHWISE_TILE = (2, 2)
"""Output rows and columns of a depthwise convolution at a time."""


def winograd_pays(channels: int, filters: int, out: tuple[int, int]) -> bool:
    """Whether a 3x3 convolution of stride 1 is faster by tiles of 4x4 outputs.

    Transforms cost what few channels save.
    """
    if channels % 4 or filters % 4 or min(channels, filters) < WINOGRAD_CHANNELS:
        return False
    if channels * filters * 36 * 4 > WINOGRAD_BYTES:
        return False
    covered = [-(-size // 4) * 4 for size in out]
    return covered[0] * covered[1] <= WINOGRAD_WASTE * out[0] * out[1]
