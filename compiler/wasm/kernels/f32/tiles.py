"""The small tested table of tiles: rows times columns of the output that stay in registers."""

from __future__ import annotations

from dataclasses import dataclass

GEMV_WIDTH = 32
"""Columns of a panel where an item has one row: eight sums hide an addition's latency."""


@dataclass(frozen=True, slots=True)
class Tile:
    """``rows`` x ``width`` outputs per inner loop; ``width`` is that of a weight panel."""

    rows: int
    width: int


def gemm_tile(rows: int, depth: int, columns: int) -> Tile:
    """The tile for an output of ``rows`` x ``columns`` for each item, over ``depth`` products."""
    del depth
    if rows == 1:
        return Tile(4, min(GEMV_WIDTH, -(-columns // 4) * 4))
    return Tile(4, 8 if columns > 4 else 4)  # noqa: PLR2004 - one vector


def depthwise_tile(strides: tuple[int, int]) -> tuple[int, int]:
    """Output rows and columns at a time."""
    return (2, 2) if strides == (1, 1) else (1, 4)
