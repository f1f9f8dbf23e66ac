"""The tile of integer matrix products and convolutions: a few rows times a block of columns, summed over runs.

A row is where one output position's activations begin; the rows of a tile lie ``row_bytes`` apart. A run is a stretch
of consecutive elements: for a matrix product the whole row, for a convolution what one kernel row covers. Weights are
read strictly in order (``packing.pack_groups``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compiler.wasm.kernels.int8.packing import NARROW, SEVEN_BITS, WIDE, Block, Format
from compiler.wasm.kernels.int8.requantize import Stored, narrowed, rounded, scaled
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, i32x4, v128
from wasm_emit.types import Expr

UNROLLED_GROUPS = 2
"""A run of at most so many groups is written out; longer ones become loops (unrolled loops spill registers)."""

GROUP_BYTES = 4
"""What one lane of a dot product takes of a row."""

LANES = 4
"""int32 in a vector."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of ``groups`` groups; ``nest`` are (count, bytes between) of the loops around a run, outermost first.

    ``row_bytes`` lie between a tile's rows.
    """

    form: Format
    groups: int
    row_bytes: int
    nest: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Pointers:
    """Where a tile reads and writes. ``parameters`` are the block's biases and scales."""

    x: Local
    weights: Local
    parameters: Local
    y: Local


def tile_rows(width: int) -> int:
    """Rows of a tile: eight accumulators in all."""
    return 2 if width == WIDE else 4


def tile(fn: Function, at: Pointers, rows: int, block: Block, runs: Runs, stored: Stored | None, columns: int) -> None:
    """Compute and store ``rows`` x ``block``, as float32 without ``stored``; ``columns`` are those of a whole row."""
    quarters = block.width // LANES
    totals = [[_first(fn, at, q) for q in range(quarters)] for _ in range(rows)]
    accumulate(fn, at.x, at.weights, totals, runs)
    for row in range(rows):
        _finish(fn, at, totals[row], row * columns, block, stored)


def _first(fn: Function, at: Pointers, quarter: int) -> Local:
    """Every sum starts with its bias."""
    return fn.new(v128.load(at.parameters, offset=16 * quarter), "sum")


def accumulate(fn: Function, first: Local, panel: Local, totals: Sequence[Sequence[Local]], runs: Runs) -> None:
    """Add all runs to ``totals`` (rows of quarters); ``first`` and ``panel`` stay as they are."""
    x, weights = fn.new(first, "xk"), fn.new(panel, "wk")
    block_bytes = 16 * len(totals[0])

    def run() -> int:
        if runs.groups <= UNROLLED_GROUPS:
            for group in range(runs.groups):
                _group(fn, x, weights, totals, runs, group)
            fn.advance(weights, block_bytes * runs.groups)
            return 0
        with fn.pointer_loop(x, runs.groups, GROUP_BYTES, name="k"):
            _group(fn, x, weights, totals, runs, 0)
            fn.advance(weights, block_bytes)
        return GROUP_BYTES * runs.groups

    _nested(fn, x, runs.nest, run)


def _nested(fn: Function, x: Local, nest: Sequence[tuple[int, int]], run: Callable[[], int]) -> int:
    """Loops around the run; returns the bytes that ``x`` has moved."""
    if not nest:
        return run()
    count, step = nest[0]
    if count == 1:
        return _nested(fn, x, nest[1:], run)
    with fn.counted(count, name="run"):
        moved = _nested(fn, x, nest[1:], run)
        fn.advance(x, step - moved)
    return count * step


def _group(fn: Function, x: Local, weights: Local, totals: Sequence[Sequence[Local]], runs: Runs, number: int) -> None:
    """One group of every row times that group of every column."""
    quarters = len(totals[0])
    first = 16 * quarters * number
    columns = [fn.new(v128.load(weights, offset=first + 16 * quarter), "w") for quarter in range(quarters)]
    for row, sums in enumerate(totals):
        group = fn.new(v128.load32_splat(x, offset=GROUP_BYTES * number + row * runs.row_bytes), "x")
        for column, total in zip(columns, sums, strict=True):
            fn.set(total, _multiplied(group, column, total, runs.form))


def _multiplied(group: Local, column: Local, total: Local, form: Format) -> Expr:
    if form is SEVEN_BITS:
        return i32x4.relaxed_dot_i8x16_i7x16_add_s(column, group, total)
    return i32x4.add(total, i32x4.dot_i16x8_s(group, column))


def _finish(
    fn: Function, at: Pointers, sums: Sequence[Local], element: int, block: Block, stored: Stored | None
) -> None:
    """One row's sums, scaled and stored at ``element`` elements behind the block's first."""
    scale_at = 16 * len(sums)
    scales = [v128.load(at.parameters, offset=scale_at + 16 * quarter) for quarter in range(len(sums))]
    if stored is not None:
        products = [scaled(total, scale, stored) for total, scale in zip(sums, scales, strict=True)]
        packed = narrowed(fn, [rounded(product, stored.zero_point) for product in products], stored)
        store_bytes(fn, at.y, packed, element, block.used)
        return
    for quarter, (total, scale) in enumerate(zip(sums, scales, strict=True)):
        value = f32x4.mul(f32x4.convert_i32x4_s(total), scale)
        store_floats(fn, at.y, value, 4 * element + 16 * quarter, block.used - LANES * quarter)


def store_bytes(fn: Function, y: Local, packed: Expr, offset: int, used: int) -> None:
    """The first ``used`` bytes (at most 16)."""
    if used == WIDE:
        fn.do(v128.store(y, packed, offset=offset))
        return
    value = packed if used in (1, 2, 4, NARROW) else fn.new(packed, "packed")
    done = 0
    for width, store in ((8, v128.store64_lane), (4, v128.store32_lane), (2, v128.store16_lane), (1, v128.store8_lane)):
        if used - done >= width:
            fn.do(store(y, value, done // width, offset=offset + done))
            done += width


def store_floats(fn: Function, y: Local, value: Expr, offset: int, used: int) -> None:
    """The first ``used`` of four floats."""
    if used >= LANES:
        fn.do(v128.store(y, value, offset=offset))
    elif used > 0:
        kept = fn.new(value, "kept")
        for lane in range(used):
            fn.do(v128.store32_lane(y, kept, lane, offset=offset + 4 * lane))
