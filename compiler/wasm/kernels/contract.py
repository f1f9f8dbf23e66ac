"""Contractions: every element of the output gathers products (or maxima) of operands over the reduced dimensions.

MatMul, Gemm, Einsum, convolutions and pooling are all ``out[i] = finish(combine over j of operands at (i, j))`` with
addresses affine in ``i`` and ``j``; operands outside of their tensor are padded beforehand. The innermost output
dimension is vectorised (an operand that strides along it is gathered lane by lane), and a tile of rows and vectors
shares what it loads. Every element accumulates in the order of ``j``, whatever the tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from compiler.wasm.kernels.layout import merge
from compiler.wasm.kernels.loops import loops
from compiler.wasm.numerics.lanes import Lanes, has_lanes
from compiler.wasm.numerics.storage import load, load_splat, store
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import v128
from wasm_emit.types import Expr

Combine: TypeAlias = Callable[[Lanes, Expr, Sequence[Expr]], Expr]
"""From the accumulator and the operands' elements to the accumulator."""

Finish: TypeAlias = Callable[[Function, Lanes, Local, Sequence[Local]], Expr]
"""From the accumulator and the extras' elements to what is stored, in lanes of the target's dtype."""

ROWS, VECTORS = 4, 2
"""A tile: 8 accumulators, and few enough operands to stay in 16 registers."""

LONE_VECTORS = 4
"""Vectors of a tile of one row."""

_LANE_BYTES, _WIDTH = 4, 4
"""Bytes of a lane, and lanes of a vector: whatever their dtype, elements are multiplied in 32 bits."""


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A tensor that is read (or written): bytes to go on per output dimension, and per reduced dimension."""

    address: int
    dtype: DType
    steps: tuple[int, ...]
    sums: tuple[int, ...] = ()


def product_sum(lanes: Lanes, total: Expr, values: Sequence[Expr]) -> Expr:
    """Add the product of all factors."""
    product = values[0]
    for value in values[1:]:
        product = lanes.mul(product, value)
    return lanes.add(total, product)


def as_it_is(_fn: Function, _lanes: Lanes, total: Local, _extras: Sequence[Local]) -> Expr:
    """The accumulator is the result."""
    return total


@dataclass(frozen=True, kw_only=True)
class Contraction:
    """``lanes`` is the dtype that is accumulated in, ``start`` the accumulator's first value.

    ``factors`` are read for every (i, j) and may have narrower dtypes that widen to ``accumulate``; ``extras`` are read
    once for every i. Nothing but the target's elements is written, some of them twice.
    """

    shape: tuple[int, ...]
    reduced: tuple[int, ...]
    target: Factor
    factors: tuple[Factor, ...]
    accumulate: DType
    extras: tuple[Factor, ...] = ()
    start: float = 0.0
    combine: Combine = product_sum
    finish: Finish = as_it_is


def contract(fn: Function, work: Contraction) -> None:
    """Write the loops; nothing if the output is empty."""
    if 0 in work.shape:
        return
    parts = (work.target, *work.factors, *work.extras)
    sizes, steps = merge(work.shape, [part.steps for part in parts])
    if len(sizes) == 1:  # a row
        sizes, steps = [1, *sizes], [[0, *own] for own in steps]
    sizes, steps = _rows_last(sizes, steps, len(work.factors))
    reduced, sums = merge(work.reduced, [factor.sums for factor in work.factors])
    tile = _Tiler(fn, work, tuple(map(tuple, steps)), tuple(reduced), tuple(map(tuple, sums)))
    tile.write(sizes)


def _rows_last(sizes: list[int], steps: list[list[int]], factors: int) -> tuple[list[int], list[list[int]]]:
    """The dimension whose rows share most of what a tile loads becomes the last but one."""
    if len(sizes) <= 2:  # noqa: PLR2004 - rows and columns
        return sizes, steps

    def loads(dim: int) -> int:
        per_row = [ROWS if own[dim] else 1 for own in steps[1 : factors + 1]]
        return sum(
            count * (VECTORS if own[-1] else 1) for count, own in zip(per_row, steps[1 : factors + 1], strict=True)
        )

    tall = [dim for dim in range(len(sizes) - 1) if sizes[dim] >= ROWS]
    rows = min(reversed(tall), key=loads, default=len(sizes) - 2)
    order = [*(dim for dim in range(len(sizes) - 1) if dim != rows), rows, len(sizes) - 1]
    return [sizes[dim] for dim in order], [[own[dim] for dim in order] for own in steps]


@dataclass(frozen=True)
class _Tiler:
    """Cuts the last two output dimensions into tiles. ``steps`` are those of target, factors and extras."""

    fn: Function
    work: Contraction
    steps: tuple[tuple[int, ...], ...]
    reduced: tuple[int, ...]
    sums: tuple[tuple[int, ...], ...]

    def write(self, sizes: Sequence[int]) -> None:
        """All regions: whole tiles, then what is left over at the edges."""
        parts = (self.work.target, *self.work.factors, *self.work.extras)
        starts = [self.fn.new(part.address, "base") for part in parts]
        width = self._width(sizes)
        if width == 1:
            self._region(starts, sizes, 1, 1, 1)
            return
        *outer, columns = sizes
        rows = outer.pop()
        row_steps = [own[-2] for own in self.steps]
        whole_rows = rows // ROWS * ROWS
        for row, count, tall in ((0, whole_rows, ROWS), (whole_rows, rows - whole_rows, 1)):
            if count:
                at = [start + row * step for start, step in zip(starts, row_steps, strict=True)]
                self._columns([self.fn.new(one, "row") for one in at], outer, count, columns, tall)

    def _columns(self, starts: Sequence[Expr], outer: Sequence[int], rows: int, columns: int, tall: int) -> None:
        """Tiles of several vectors, of one vector, and a last vector that overlaps the one before."""
        many = VECTORS if tall > 1 else LONE_VECTORS
        wide = columns // (many * _WIDTH) * many
        narrow = columns // _WIDTH - wide
        parts = [(0, wide, many), (wide * _WIDTH, narrow, 1), (columns - _WIDTH, int(columns % _WIDTH > 0), 1)]
        for column, count, vectors in parts:
            if count:
                at = [start + column * own[-1] for start, own in zip(starts, self.steps, strict=True)]
                bases = [self.fn.new(one, "column") for one in at]
                self._region(bases, [*outer, rows, count * _WIDTH], tall, vectors, _WIDTH)

    def _width(self, sizes: Sequence[int]) -> int:
        """Four lanes where the target is dense along the last dimension and all dtypes have them."""
        work = self.work
        target = work.target.dtype
        parts = (work.target, *work.factors, *work.extras)
        if not sizes or sizes[-1] < _WIDTH or self.steps[0][-1] != target.itemsize:
            return 1
        if not all(has_lanes(dtype, _WIDTH) for dtype in (work.accumulate, *(part.dtype for part in parts))):
            return 1
        reads = zip(parts[1:], self.steps[1:], strict=True)
        gathered = [part for part, own in reads if own[-1] not in (0, part.dtype.itemsize)]
        return 1 if any(part.dtype.itemsize != _LANE_BYTES for part in gathered) else _WIDTH

    def _region(self, starts: Sequence[Expr], sizes: Sequence[int], tall: int, vectors: int, width: int) -> None:
        """Loops over tiles of ``tall`` rows and ``vectors`` vectors of ``width`` lanes."""
        span = width * vectors
        scale = [1] * len(sizes)
        turns = list(sizes)
        if sizes and span > 1:
            scale[-1], turns[-1] = span, sizes[-1] // span
        if tall > 1:
            scale[-2], turns[-2] = tall, sizes[-2] // tall
        pointers = [
            (start, [step * by for step, by in zip(own, scale, strict=True)])
            for start, own in zip(starts, self.steps, strict=True)
        ]
        with loops(self.fn, turns, pointers) as (current, _):
            self._tile(current, tall, vectors, width)

    def _tile(self, at: Sequence[Expr], tall: int, vectors: int, width: int) -> None:
        fn, work, steps = self.fn, self.work, self.steps
        count = 1 + len(work.factors)
        lanes = Lanes(work.accumulate, width)
        places = [(row, vector) for row in range(tall) for vector in range(vectors)]
        totals = {place: fn.new(lanes.const(work.start), "total") for place in places}
        if 0 not in self.reduced:
            with loops(fn, self.reduced, list(zip(at[1:count], self.sums, strict=True))) as (current, _):
                reads = self._readers(work.factors, current, steps[1:count], width)
                for place in places:
                    values = [read.value(*place) for read in reads]
                    fn.set(totals[place], work.combine(lanes, totals[place], values))
        extras = self._readers(work.extras, at[count:], steps[count:], width)
        to = _Place(at[0], steps[0], width)
        for place in places:
            made = work.finish(fn, lanes, totals[place], [extra.value(*place) for extra in extras])
            result = made if isinstance(made, Local) else fn.new(made, "y")
            fn.do(store(Lanes(work.target.dtype, width), to.at(*place), result))

    def _readers(
        self, factors: Sequence[Factor], pointers: Sequence[Expr], steps: Sequence[Sequence[int]], width: int
    ) -> list[_Reader]:
        return [
            _Reader(_Place(pointer, own, width), self.fn, Lanes(factor.dtype, width))
            for factor, pointer, own in zip(factors, pointers, steps, strict=True)
        ]


@dataclass(frozen=True)
class _Place:
    """Addresses inside a tile."""

    pointer: Expr
    steps: Sequence[int]
    width: int

    def at(self, row: int, vector: int) -> Expr:
        """Of a row's vector."""
        ahead = row * self.steps[-2] if row else 0
        along = vector * self.width * self.steps[-1] if vector else 0
        return self.pointer + (ahead + along)


@dataclass(frozen=True)
class _Reader:
    """Loads of one factor inside a tile; equal addresses are loaded once."""

    place: _Place
    fn: Function
    lanes: Lanes
    held: dict[str, Local] = field(default_factory=dict)

    def value(self, row: int, vector: int) -> Local:
        """The elements of a row's vector."""
        address = self.place.at(row, vector)
        if address.text not in self.held:
            self.held[address.text] = self.fn.new(self._load(address), "x")
        return self.held[address.text]

    def _load(self, address: Expr) -> Expr:
        if self.lanes.width == 1:
            return load(self.lanes, address)
        step = self.place.steps[-1]
        if step in (0, self.lanes.dtype.itemsize):
            return load(self.lanes, address) if step else load_splat(self.lanes, address)
        value = v128.load32_zero(address)
        for lane in range(1, _WIDTH):
            value = v128.load32_lane(address + lane * step, value, lane)
        return value
