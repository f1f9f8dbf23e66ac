"""Reductions: many elements to one, over any set of axes of a tensor in C order.

Neighbouring axes that share their fate are merged, so two forms are left. Where the innermost axis is reduced, vectors
run along it and are folded at the end of all; where it is kept, vectors lie across it and nothing needs folding.
The order in which elements are combined depends on the sizes of the reduced axes only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from compiler.wasm.kernels.loops import as_pointer, loops
from compiler.wasm.numerics.lanes import Lanes, widest
from compiler.wasm.numerics.storage import load, load_splat, store
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

Map: TypeAlias = Callable[[Function, Lanes, Local, Sequence[Local]], Expr]
"""From one value and the companions of its place to another."""

Combine: TypeAlias = Callable[[Lanes, Local, Local], Expr]

ACCUMULATORS = 4
"""Vectors accumulated side by side, so that their latencies overlap."""


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """``finish(combine of prepare(x) over all x)``; ``combine`` is associative, ``identity`` changes nothing in it."""

    identity: float
    combine: Combine
    prepare: Map | None = None
    finish: Map | None = None


@dataclass(frozen=True, kw_only=True)
class Reduced:
    """A tensor at ``source`` and where its reduction goes; ``companions`` have the output's shape and this dtype."""

    shape: tuple[int, ...]
    axes: frozenset[int]
    dtype: DType
    source: int
    target: int
    companions: tuple[int, ...] = ()


def reduce_axes(fn: Function, place: Reduced, reduction: Reduction) -> None:
    """Write the reduction of every output element; an empty set of elements gives ``finish(identity)``."""
    if any(size == 0 for axis, size in enumerate(place.shape) if axis not in place.axes):
        return
    _Writer(fn, place, reduction, _Sizes.of(place)).write()


@dataclass(frozen=True)
class _Sizes:
    """Merged axes: size, bytes from one element to the next in the source and in the target (0 where reduced)."""

    kept: tuple[tuple[int, int, int], ...]
    reduced: tuple[tuple[int, int, int], ...]
    inner_kept: bool
    empty: bool

    @classmethod
    def of(cls, place: Reduced) -> _Sizes:
        merged: list[tuple[bool, int]] = []
        for axis, size in enumerate(place.shape):
            fate = axis in place.axes
            if size == 1:
                continue
            if merged and merged[-1][0] == fate:
                merged[-1] = (fate, merged[-1][1] * size)
            else:
                merged.append((fate, size))
        kept, reduced = [], []
        source = target = place.dtype.itemsize
        for fate, size in reversed(merged):
            if fate:
                reduced.append((size, source, 0))
            else:
                kept.append((size, source, target))
                target *= size
            source *= size
        inner_kept = bool(merged) and not merged[-1][0]
        return cls(tuple(reversed(kept)), tuple(reversed(reduced)), inner_kept, empty=0 in place.shape)


@dataclass(frozen=True)
class _Writer:
    fn: Function
    place: Reduced
    reduction: Reduction
    sizes: _Sizes

    def write(self) -> None:
        """Loops over what is kept, around what one element takes."""
        outer = self.sizes.kept[:-1] if self.sizes.inner_kept else self.sizes.kept
        place = self.place
        bases = [place.source, place.target, *place.companions]
        starts = [self.fn.new(base, "base") for base in bases]
        steps = [
            [source for _, source, _ in outer],
            *([target for _, _, target in outer] for _ in bases[1:]),
        ]
        pointers = list(zip(starts, steps, strict=True))
        with loops(self.fn, [size for size, _, _ in outer], pointers) as (current, _):
            (self._across if self.sizes.inner_kept else self._along)(*current)

    def _across(self, source: Expr, target: Expr, *companions: Expr) -> None:
        """The innermost axis is kept: vectors across it."""
        fn, width = self.fn, widest(self.place.dtype)
        vectors = -(-self.sizes.kept[-1][0] // width)
        moving = [fn.new(pointer, "across") for pointer in (source, target, *companions)]
        for count, side in ((vectors // ACCUMULATORS, ACCUMULATORS), (vectors % ACCUMULATORS, 1)):
            if not count:
                continue
            step = side * width * self.place.dtype.itemsize
            with fn.pointer_loop(moving[0], count, step):
                self._block(width, side, *moving)
                for pointer in moving[1:]:
                    fn.advance(pointer, step)

    def _block(self, width: int, side: int, source: Local, target: Local, *companions: Local) -> None:
        """``side`` vectors of outputs at once."""
        fn, lanes = self.fn, Lanes(self.place.dtype, width)
        offsets = [part * width * lanes.dtype.itemsize for part in range(side)]
        beside = [[fn.new(load(lanes, pointer, offset), "beside") for pointer in companions] for offset in offsets]
        sums = [fn.new(lanes.const(self.reduction.identity), "sum") for _ in offsets]
        if not self.sizes.empty:
            pointers = [(source, [step for _, step, _ in self.sizes.reduced])]
            with loops(fn, [size for size, _, _ in self.sizes.reduced], pointers) as ((at,), _):
                for total, offset, known in zip(sums, offsets, beside, strict=True):
                    self._take(lanes, total, load(lanes, at, offset), known)
        for total, offset, known in zip(sums, offsets, beside, strict=True):
            self._give(lanes, total, target, offset, known)

    def _along(self, source: Expr, target: Expr, *companions: Expr) -> None:
        """The innermost axis is reduced: vectors along it, folded at the end."""
        fn, one = self.fn, Lanes(self.place.dtype, 1)
        size, _, _ = self.sizes.reduced[-1] if self.sizes.reduced else (1, 0, 0)
        lanes = Lanes(self.place.dtype, widest(self.place.dtype) if size >= ACCUMULATORS else 1)
        beside = [fn.new(load_splat(lanes, pointer), "beside") for pointer in companions]
        alone = [fn.new(load(one, pointer), "beside") for pointer in companions]
        side = ACCUMULATORS if size >= 2 * ACCUMULATORS * lanes.width else 1
        sums = [fn.new(lanes.const(self.reduction.identity), "sum") for _ in range(side)]
        rest = fn.new(one.const(self.reduction.identity), "sum")
        if not self.sizes.empty:
            outer = self.sizes.reduced[:-1]
            pointers = [(source, [step for _, step, _ in outer])]
            with loops(fn, [length for length, _, _ in outer], pointers) as ((at,), _):
                row = fn.new(at, "row")
                self._row(row, size // (lanes.width * side), lanes, sums, beside)
                self._row(row, size % (lanes.width * side) // lanes.width, lanes, sums[:1], beside)
                self._row(row, size % lanes.width, one, [rest], alone)
        total = self._folded(lanes, sums)
        if size % lanes.width:
            total = fn.new(self.reduction.combine(one, total, rest), "sum")
        self._give(one, total, target, 0, alone)

    def _row(self, row: Local, turns: int, lanes: Lanes, sums: Sequence[Local], beside: Sequence[Local]) -> None:
        """``turns`` times one vector for each accumulator."""
        if not turns:
            return
        step = lanes.width * lanes.dtype.itemsize
        with self.fn.pointer_loop(as_pointer(row), turns, step * len(sums)):
            for part, total in enumerate(sums):
                self._take(lanes, total, load(lanes, row, part * step), beside)

    def _folded(self, lanes: Lanes, sums: Sequence[Local]) -> Local:
        """All accumulators as one scalar: neighbours first."""
        fn, combine = self.fn, self.reduction.combine
        level = list(sums)
        while len(level) > 1:
            level = [fn.new(combine(lanes, a, b), "sum") for a, b in zip(level[::2], level[1::2], strict=True)]
        total = level[0]
        half = lanes.width // 2
        while half:
            total = fn.new(combine(lanes, total, fn.new(lanes.turned(total, half), "half")), "sum")
            half //= 2
        return fn.new(lanes.first(total), "sum")

    def _take(self, lanes: Lanes, total: Local, value: Expr, beside: Sequence[Local]) -> None:
        fn, prepare = self.fn, self.reduction.prepare
        held = fn.new(value, "x")
        if prepare is not None:
            held = fn.new(prepare(fn, lanes, held, beside), "x")
        fn.set(total, self.reduction.combine(lanes, total, held))

    def _give(self, lanes: Lanes, total: Local, target: Expr, offset: int, beside: Sequence[Local]) -> None:
        fn, finish = self.fn, self.reduction.finish
        value = total if finish is None else fn.new(finish(fn, lanes, total, beside), "y")
        fn.do(store(lanes, target, value, offset))
