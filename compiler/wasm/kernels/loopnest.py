"""The generic loop nest: one element of the output from elements of the operands, over all of a shape.

Two levels of use:

``elementwise(fn, shape, output, inputs, body)`` writes the whole nest. Each operand is an ``Operand`` (``operand.py``):
an address, a dtype, and per dimension of ``shape`` how many *elements* to go on (0 where it is broadcast, negative to
go backwards, ``offset`` for where it starts). Dimensions that all operands walk through evenly are merged, and the
innermost one is vectorised where its strides are 0 or 1 (the output's 1) and every dtype has lanes. ``body(fn, lanes,
values)`` gives the element; ``lanes`` is that of the first input (of the output if there is none), ``lanes.of(dtype)``
that of others; ``values`` are locals, in the order of ``inputs``. The result must be in ``lanes.of(output.dtype)``.
Without a body the single input is copied (same dtype).

    transpose   Operand(at, dtype, strides=permuted strides)          slice   offset and strides times the step
    gather      Operand(..., index=Index(uses, lambda fn, i: ...))    pad     Operand(..., guard=Index(...), fill=0.0)

An ``Index`` covers what is not affine: it gives further elements to go on (i32) from the indices of the dimensions in
``uses``; those keep their own loops (their indices are locals or constants), others are still merged and vectorised.
A ``guard`` is an i32 condition over the same kind of indices: where it is zero, ``fill`` is taken and nothing outside
the operand is read (the first element stands in for the address).

``loops(fn, sizes, pointers)`` (``loops.py``) opens bare nested loops, for kernels that have something to do between
them (reductions): each pointer is followed through the nest by a local of its own.

A vector at the end of the innermost dimension may reach up to 60 bytes beyond it: later rows repair that, and behind a
value lies ``step.SLACK``. ``exact=True`` writes nothing beyond a row (scalars end it). It is needed where an output
shares its place with an input (``Step.shares``) and the nest does not merge into one dimension, and where a nest writes
only a part of a value (the second input of a concatenation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from compiler.wasm.kernels.loops import as_pointer, loops
from compiler.wasm.kernels.operand import Operand
from compiler.wasm.lanes import Lanes, has_lanes
from compiler.wasm.storage import load, load_splat, store
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import select
from wasm_emit.types import EmitError, Expr, as_i32

Body: TypeAlias = Callable[[Function, Lanes, Sequence[Local]], Expr]
"""The code of one element (or one vector of them)."""

UNROLL = 4
"""Vectors per turn of the innermost loop of a cheap body: 64 bytes, as much as the slack behind a value."""

_UNROLL_FROM = 16
"""Vectors in the innermost dimension from which on unrolling is worth its code."""


def elementwise(
    fn: Function,
    shape: Sequence[int],
    output: Operand,
    inputs: Sequence[Operand],
    body: Body | None = None,
    *,
    vector: bool = True,
    exact: bool = False,
    cheap: bool = True,
) -> None:
    """Write the nest that computes every element of ``shape``; nothing for an empty one.

    ``vector=False`` keeps to scalars (the body has no vector code), ``exact=True`` never writes beyond a row,
    ``cheap=False`` says that the body is long (it is then written once per loop).
    """
    if 0 in shape:
        return
    code = body or _copied
    operands = [output, *inputs]
    for operand in operands:
        if len(operand.strides) != len(shape):
            raise EmitError(f"expected {len(shape)} strides, got {operand.strides}")
    nest = _merged(shape, operands)
    width = nest.width() if vector or body is None else 1
    _Writer(fn, nest, code, width, exact=exact, cheap=cheap).write()


def merged_rank(shape: Sequence[int], operands: Sequence[Operand]) -> int:
    """Loops that are left once dimensions are merged: 0 or 1 means that in-place use needs no ``exact``."""
    return len(_merged(shape, operands).sizes)


@dataclass(frozen=True, kw_only=True)
class _Nest:
    """The merged nest: ``dims`` are the original dimensions of those in ``uses``, -1 for merged ones."""

    rank: int
    sizes: tuple[int, ...]
    dims: tuple[int, ...]
    operands: tuple[Operand, ...]
    steps: tuple[tuple[int, ...], ...] = field(repr=False)

    def width(self) -> int:
        """Lanes of the innermost dimension."""
        if not self.sizes or self.dims[-1] >= 0:
            return 1
        inner = [steps[-1] for steps in self.steps]
        sizes = [operand.dtype.itemsize for operand in self.operands]
        if inner[0] != sizes[0] or any(step not in (0, size) for step, size in zip(inner, sizes, strict=True)):
            return 1
        return next(
            (
                width
                for width in (4, 2)
                if self.sizes[-1] >= width and all(has_lanes(operand.dtype, width) for operand in self.operands)
            ),
            1,
        )


def _merged(shape: Sequence[int], operands: Sequence[Operand]) -> _Nest:
    """Drop dimensions of size 1 and merge those that every operand walks through evenly."""
    kept = frozenset().union(*(operand.uses for operand in operands))
    sizes: list[int] = []
    dims: list[int] = []
    steps: list[list[int]] = [[] for _ in operands]
    for dim, size in enumerate(shape):
        own = [operand.bytes_per(dim) for operand in operands]
        if size == 1:
            continue
        if (
            dim not in kept
            and sizes
            and dims[-1] < 0
            and all(outer[-1] == step * size for outer, step in zip(steps, own, strict=True))
        ):
            sizes[-1] *= size
            for outer, step in zip(steps, own, strict=True):
                outer[-1] = step
            continue
        sizes.append(size)
        dims.append(dim if dim in kept else -1)
        for outer, step in zip(steps, own, strict=True):
            outer.append(step)
    return _Nest(
        rank=len(shape),
        sizes=tuple(sizes),
        dims=tuple(dims),
        operands=tuple(operands),
        steps=tuple(tuple(step) for step in steps),
    )


@dataclass(frozen=True)
class _Writer:
    """Writes one nest at one width. Operand 0 is the output."""

    fn: Function
    nest: _Nest
    body: Body
    width: int
    exact: bool
    cheap: bool

    def write(self) -> None:
        """Outer loops, then rows."""
        nest = self.nest
        starts = [
            self.fn.new(operand.address + operand.offset * operand.dtype.itemsize, "base") for operand in nest.operands
        ]
        outer = len(nest.sizes) if self.width == 1 else len(nest.sizes) - 1
        indexed = frozenset(level for level in range(outer) if nest.dims[level] >= 0)
        pointers = [(start, steps[:outer]) for start, steps in zip(starts, nest.steps, strict=True)]
        with loops(self.fn, nest.sizes[:outer], pointers, indexed=indexed) as (current, indices):
            spots = self._spots(current, indices, starts)
            if self.width == 1:
                self._element(spots, 1, [None] * len(spots), 0)
            else:
                self._row(spots)

    def _spots(self, current: Sequence[Expr], indices: Sequence[Expr], starts: Sequence[Expr]) -> list[_Spot]:
        """Where every operand is read or written in this turn of the outer loops."""
        known: list[Expr] = [as_i32(0)] * self.nest.rank
        for dim, index in zip(self.nest.dims, indices, strict=False):
            if dim >= 0:
                known[dim] = index
        spots = []
        for operand, pointer, start in zip(self.nest.operands, current, starts, strict=True):
            at = pointer
            if operand.index is not None:
                more = operand.index.code(self.fn, known)
                at = self.fn.new(at + more * operand.dtype.itemsize, "at")
            guard = None
            if operand.guard is not None:
                guard = self.fn.new(operand.guard.code(self.fn, known), "inside")
                at = self.fn.new(select(at, start, guard), "at")
            spots.append(_Spot(operand, at, guard))
        return spots

    def _row(self, spots: Sequence[_Spot]) -> None:
        """The innermost dimension in vectors, and what is left of it in scalars if it must be exact."""
        size = self.nest.sizes[-1]
        whole = size // self.width if self.exact else -(-size // self.width)
        rest = size - whole * self.width if self.exact else 0
        moving = [_Spot(spot.operand, self._follow(spot, steps[-1]), spot.guard, steps[-1]) for spot, steps in
                  zip(spots, self.nest.steps, strict=True)]  # fmt: skip
        unroll = UNROLL if self.cheap and whole >= _UNROLL_FROM else 1
        if whole % unroll and not self.exact:
            whole = -(-whole // unroll) * unroll
        self._turns(moving, whole // unroll, self.width, unroll)
        self._turns(moving, whole % unroll, self.width, 1)
        self._turns(moving, rest, 1, 1)

    def _follow(self, spot: _Spot, step: int) -> Expr:
        return self.fn.new(spot.at, "row") if step else spot.at

    def _turns(self, spots: Sequence[_Spot], turns: int, width: int, unroll: int) -> None:
        if not turns:
            return
        still: list[Local | None] = [
            None if spot.step or number == 0 else self._read(spot, width, 0) for number, spot in enumerate(spots)
        ]
        movers = [as_pointer(spot.at) for spot in spots if spot.step]
        sizes = [spot.step for spot in spots if spot.step]
        with self.fn.pointer_loop(movers[0], turns, sizes[0] * width * unroll):
            for part in range(unroll):
                self._element(spots, width, still, part)
            for pointer, size in zip(movers[1:], sizes[1:], strict=True):
                self.fn.advance(pointer, size * width * unroll)

    def _element(self, spots: Sequence[_Spot], width: int, still: Sequence[Local | None], part: int) -> None:
        """Read, compute, store ``width`` elements, ``part`` vectors after the pointers."""
        output, *inputs = spots
        values = [
            held or self._read(spot, width, part * spot.step * width)
            for spot, held in zip(inputs, still[1:], strict=True)
        ]
        lanes = Lanes((inputs[0] if inputs else output).operand.dtype, width)
        target = lanes.of(output.operand.dtype)
        made = self.body(self.fn, lanes, values)
        value = made if isinstance(made, Local) else self.fn.new(made, "y")
        self.fn.do(store(target, output.at, value, offset=part * output.step * width))

    def _read(self, spot: _Spot, width: int, offset: int) -> Local:
        lanes = Lanes(spot.operand.dtype, width)
        read = load if spot.step or width == 1 else load_splat
        value = read(lanes, spot.at, offset)
        if spot.guard is not None:
            inside = lanes.of(DType.BOOL).splat(spot.guard) if width > 1 else spot.guard
            value = lanes.select(inside, value, lanes.const(spot.operand.fill))
        return self.fn.new(value, "x")


@dataclass(frozen=True)
class _Spot:
    """An operand at one turn: its address, its guard, and the bytes it goes on in the innermost dimension."""

    operand: Operand
    at: Expr
    guard: Expr | None
    step: int = 0


def _copied(_fn: Function, _lanes: Lanes, values: Sequence[Local]) -> Expr:
    return values[0]
