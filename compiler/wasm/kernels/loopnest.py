"""The generic loop nest: each element of the output from the elements of the operands at the same place.

``elementwise(fn, shape, output, inputs, body)`` writes it. Each operand is an ``Operand`` (``operand.py``): an address,
a dtype, and per dimension of ``shape`` how far to go on (0 where it is broadcast). Dimensions that all operands walk
through evenly are merged; the innermost one is vectorised where its strides are 0 or 1 (the output's 1) and every dtype
has lanes. ``body(fn, lanes, values)`` gives the element: ``lanes`` is that of the first input (of the output if there
is none), ``lanes.of(dtype)`` that of others; ``values`` are locals, in the order of ``inputs``; the result must be in
``lanes.of(output.dtype)``.

``loops(fn, sizes, pointers)`` (``loops.py``) opens bare nested loops, for kernels that have something to do between
them: each pointer is followed through the nest by a local of its own.

A vector at the end of the innermost dimension may reach up to 60 bytes beyond it: later rows repair that, and behind a
value lies ``step.SLACK``. ``exact=True`` writes nothing beyond a row (scalars end it). It is needed where an output
shares its place with an input (``Step.shares``) and the nest does not merge into one dimension, and where a nest writes
only a part of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from compiler.wasm.kernels.layout import merge
from compiler.wasm.kernels.loops import as_pointer, loops
from compiler.wasm.kernels.operand import Operand
from compiler.wasm.numerics.lanes import Lanes, widest
from compiler.wasm.numerics.storage import load, load_splat, store
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import EmitError, Expr

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
    body: Body,
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
    operands = [output, *inputs]
    for operand in operands:
        if len(operand.strides) != len(shape):
            raise EmitError(f"expected {len(shape)} strides, got {operand.strides}")
    sizes, steps = merge(shape, [operand.steps for operand in operands])
    width = _width(sizes, steps, operands) if vector else 1
    places = [_Place(operand.dtype, operand.start, own) for operand, own in zip(operands, steps, strict=True)]
    _Writer(fn, sizes, places, body, width, exact=exact, cheap=cheap).write()


def merged_rank(shape: Sequence[int], operands: Sequence[Operand]) -> int:
    """Loops that are left once dimensions are merged: 0 or 1 means that in-place use needs no ``exact``."""
    return len(merge(shape, [operand.steps for operand in operands])[0])


def _width(sizes: Sequence[int], steps: Sequence[Sequence[int]], operands: Sequence[Operand]) -> int:
    """Lanes of the innermost dimension."""
    if not sizes:
        return 1
    for number, (own, operand) in enumerate(zip(steps, operands, strict=True)):
        if own[-1] != operand.dtype.itemsize and (number == 0 or own[-1] != 0):
            return 1
    width = widest(*(operand.dtype for operand in operands))
    return width if sizes[-1] >= width else 1


@dataclass(frozen=True)
class _Place:
    """An operand in the merged nest: bytes to go on in each dimension."""

    dtype: DType
    address: int
    steps: Sequence[int]


@dataclass(frozen=True)
class _Spot:
    """An operand at one turn of the outer loops, and the bytes it goes on in the innermost dimension."""

    dtype: DType
    at: Expr
    step: int


@dataclass(frozen=True)
class _Writer:
    """Writes one nest at one width. Place 0 is the output."""

    fn: Function
    sizes: Sequence[int]
    places: Sequence[_Place]
    body: Body
    width: int
    exact: bool
    cheap: bool

    def write(self) -> None:
        """Outer loops, then rows."""
        outer = len(self.sizes) if self.width == 1 else len(self.sizes) - 1
        pointers = [(self.fn.new(place.address, "base"), place.steps[:outer]) for place in self.places]
        with loops(self.fn, self.sizes[:outer], pointers) as (current, _):
            if self.width == 1:
                spots = [_Spot(place.dtype, at, 0) for place, at in zip(self.places, current, strict=True)]
                self._element(spots, 1, [None] * len(spots), 0)
            else:
                self._row(current)

    def _row(self, current: Sequence[Expr]) -> None:
        """The innermost dimension in vectors, and what is left of it in scalars if it must be exact."""
        size = self.sizes[-1]
        whole = size // self.width if self.exact else -(-size // self.width)
        rest = size - whole * self.width if self.exact else 0
        steps = [place.steps[-1] for place in self.places]
        spots = [
            _Spot(place.dtype, self.fn.new(at, "row") if step else at, step)
            for place, at, step in zip(self.places, current, steps, strict=True)
        ]
        unroll = UNROLL if self.cheap and whole >= _UNROLL_FROM else 1
        if whole % unroll and not self.exact:
            whole = -(-whole // unroll) * unroll
        self._turns(spots, whole // unroll, self.width, unroll)
        self._turns(spots, whole % unroll, self.width, 1)
        self._turns(spots, rest, 1, 1)

    def _turns(self, spots: Sequence[_Spot], turns: int, width: int, unroll: int) -> None:
        """``turns`` times ``unroll`` vectors; what does not move is read once, before."""
        if not turns:
            return
        still = [None if spot.step else self._read(spot, width, 0) for spot in spots]
        movers = [(as_pointer(spot.at), spot.step * width * unroll) for spot in spots if spot.step]
        (first, step), *others = movers
        with self.fn.pointer_loop(first, turns, step):
            for part in range(unroll):
                self._element(spots, width, still, part)
            for pointer, further in others:
                self.fn.advance(pointer, further)

    def _element(self, spots: Sequence[_Spot], width: int, still: Sequence[Local | None], part: int) -> None:
        """Read, compute, store ``width`` elements, ``part`` vectors after the pointers."""
        output, *inputs = spots
        values = [
            held or self._read(spot, width, part * spot.step * width)
            for spot, held in zip(inputs, still[1:], strict=True)
        ]
        lanes = Lanes((inputs[0] if inputs else output).dtype, width)
        made = self.body(self.fn, lanes, values)
        value = made if isinstance(made, Local) else self.fn.new(made, "y")
        self.fn.do(store(lanes.of(output.dtype), output.at, value, part * output.step * width))

    def _read(self, spot: _Spot, width: int, offset: int) -> Local:
        read = load if spot.step else load_splat
        return self.fn.new(read(Lanes(spot.dtype, width), spot.at, offset), "x")
