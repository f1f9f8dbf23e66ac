"""The innermost code of matrix products: a tile of sums in registers, one step along K at a time.

``SplatSums`` keeps neighbouring columns in a vector's lanes and spreads each input value over a vector. ``DotSums``
multiplies four consecutive values of an input row by four consecutive values of a weight column and adds the four
lanes up at the end: nothing is spread, which Cranelift can only do with one or two extra instructions per value, but
the end costs nine instructions for four outputs.

Whatever the tile, an output element's additions come in the same order, so its bits depend neither on the batch nor on
where tiles begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from compiler.wasm.kernels.f32.epilogue import Epilogue, store_lanes
from compiler.wasm.kernels.f32.loops import countdown
from compiler.wasm.kernels.f32.tiles import Tile
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, shuffle, v128, v128_const
from wasm_emit.types import V128, EmitError, Expr

AHEAD_DEPTH = 12
"""From this many products on, ``SplatSums`` of several rows load one turn ahead."""


class Sums(Protocol):
    """``rows`` x ``width`` sums in locals."""

    def start(self, bias: Local) -> None:
        """Begin anew."""

    def run(self, a: Local, b: Local, row_bytes: int, depth: int, b_step: int = 0) -> None:
        """Add ``depth`` products; moves ``a`` and ``b`` behind what was read.

        Rows of ``a`` are ``row_bytes`` apart; those of ``b`` ``b_step`` bytes, or packed (0).
        """

    def whole(self, bias: Local | None, a: Local, b: Local, row_bytes: int, depth: int, b_step: int = 0) -> None:
        """``start`` and a single ``run``; without a bias if there is none."""

    def finish(
        self, epilogue: Epilogue, bias: Local | None, out: Local, residual: Local | None, row_bytes: int, valid: int
    ) -> None:
        """Store the first ``valid`` columns of every row at ``out``, rows ``row_bytes`` apart."""


def make_sums(fn: Function, tile: Tile, rows: int, width: int) -> Sums:
    """Sums of ``rows`` x ``width``, with the kind of inner loop of ``tile``."""
    return DotSums(fn, rows, width) if tile.dot else SplatSums(fn, rows, width)


class SplatSums:
    """A sum starts with the bias and adds ``a[k] * b[k]`` for k = 0, 1, 2, ..."""

    def __init__(self, fn: Function, rows: int, width: int) -> None:
        self.fn = fn
        self.vectors = width // FLOAT_LANES
        self.acc = [fn.locals(V128, "acc", self.vectors) for _ in range(rows)]
        self._b = fn.locals(V128, "b", self.vectors)
        self._a = fn.locals(V128, "a", rows)
        self._left: Local | None = None

    def start(self, bias: Local) -> None:
        """Every row begins with the bias."""
        for v in range(self.vectors):
            self.fn.set(self.acc[0][v], v128.load(bias, offset=v * VECTOR_BYTES))
        for row in self.acc[1:]:
            for v in range(self.vectors):
                self.fn.set(row[v], self.acc[0][v])

    def run(self, a: Local, b: Local, row_bytes: int, depth: int, b_step: int = 0) -> None:
        """See ``Sums``. Reads one float32 behind every row of ``a``."""
        fn = self.fn
        ahead = len(self.acc) > 1 and depth >= AHEAD_DEPTH
        if ahead:
            self._spread(a, row_bytes)
        with countdown(fn, depth, name="k") as self._left:
            if ahead:
                self._name_sums()
            self._turn(a, b, row_bytes, b_step, ahead=ahead)

    def _turn(
        self, a: Local, b: Local, row_bytes: int, b_step: int, *, ahead: bool = False, first: bool = False
    ) -> None:
        fn = self.fn
        for v, value in enumerate(self._b):
            fn.set(value, v128.load(b, offset=v * VECTOR_BYTES))
        for r, row in enumerate(self.acc):
            if not ahead:
                fn.set(self._a[r], v128.load32_splat(a, offset=r * row_bytes))
            for v, value in enumerate(self._b):
                product = f32x4.mul(self._a[r], value)
                fn.set(row[v], product if first else f32x4.add(row[v], product))
        fn.advance(b, b_step or self.vectors * VECTOR_BYTES)
        if ahead:
            self._spread(a, row_bytes, offset=FLOAT_BYTES)
        fn.advance(a, FLOAT_BYTES)

    def _spread(self, a: Local, row_bytes: int, *, offset: int = 0) -> None:
        """Load a turn's values of ``a``.

        At the end of the turn before: carried over, each is used once, and Cranelift makes loading and spreading one
        instruction (10-18 % faster; V8, which always does, is up to 5 % slower).
        """
        for r, value in enumerate(self._a):
            self.fn.set(value, v128.load32_splat(a, offset=r * row_bytes + offset))

    def _name_sums(self) -> None:
        """Put the sums first among what a turn carries over, at no cost.

        The values of ``a`` then come last, when the registers of the old ones are free, and need no move.
        """
        for row in self.acc:
            for total in row:
                self.fn.set(total, total)

    def whole(self, bias: Local | None, a: Local, b: Local, row_bytes: int, depth: int, b_step: int = 0) -> None:
        """See ``Sums``."""
        if bias is not None:
            self.start(bias)
        else:
            self._turn(a, b, row_bytes, b_step, first=True)
            depth -= 1
        if depth:
            self.run(a, b, row_bytes, depth, b_step)

    def finish(
        self, epilogue: Epilogue, bias: Local | None, out: Local, residual: Local | None, row_bytes: int, valid: int
    ) -> None:
        """See ``Sums``."""
        del bias
        limits = epilogue.limits(self.fn, self._left)
        for r, row in enumerate(self.acc):
            for v, lanes in enumerate(lanes_of(valid)):
                offset = r * row_bytes + v * VECTOR_BYTES
                store_lanes(self.fn, out, epilogue.finish(self.fn, row[v], residual, offset, limits), offset, lanes)


class DotSums:
    """Lane i of a sum adds ``a[k] * b[k]`` for k = i, i + 4, ...; at the end (0 + 2) + (1 + 3), then the bias.

    The depth must be a multiple of four.
    """

    def __init__(self, fn: Function, rows: int, width: int) -> None:
        self.fn = fn
        self.width = width
        self.acc = [fn.locals(V128, "acc", width) for _ in range(rows)]
        self._a = fn.locals(V128, "a", rows)
        self._b = fn.local(V128, "b")
        self._left: Local | None = None

    def start(self, bias: Local) -> None:
        """Every sum begins with zero."""
        del bias
        for row in self.acc:
            for total in row:
                self.fn.set(total, v128_const("f32x4", 0.0))

    def run(self, a: Local, b: Local, row_bytes: int, depth: int, b_step: int = 0) -> None:
        """See ``Sums``."""
        if b_step or depth % FLOAT_LANES:
            raise EmitError(f"expected packed weights of a depth that is a multiple of four, got {depth}")
        with countdown(self.fn, depth // FLOAT_LANES, name="k") as self._left:
            self._step(a, b, row_bytes, first=False)

    def whole(self, bias: Local | None, a: Local, b: Local, row_bytes: int, depth: int, b_step: int = 0) -> None:
        """See ``Sums``: the first products are the sums' first values, nothing is added to zeros."""
        del bias
        self._step(a, b, row_bytes, first=True)
        if depth > FLOAT_LANES:
            self.run(a, b, row_bytes, depth - FLOAT_LANES, b_step)

    def _step(self, a: Local, b: Local, row_bytes: int, *, first: bool) -> None:
        fn = self.fn
        for r, value in enumerate(self._a):
            fn.set(value, v128.load(a, offset=r * row_bytes))
        for c in range(self.width):
            fn.set(self._b, v128.load(b, offset=c * VECTOR_BYTES))
            for value, row in zip(self._a, self.acc, strict=True):
                product = f32x4.mul(value, self._b)
                fn.set(row[c], product if first else f32x4.add(row[c], product))
        fn.advance(a, VECTOR_BYTES)
        fn.advance(b, self.width * VECTOR_BYTES)

    def finish(
        self, epilogue: Epilogue, bias: Local | None, out: Local, residual: Local | None, row_bytes: int, valid: int
    ) -> None:
        """See ``Sums``."""
        fn = self.fn
        limits = epilogue.limits(fn, self._left)
        for v, lanes in enumerate(lanes_of(valid)):
            start = None if bias is None else fn.new(v128.load(bias, offset=v * VECTOR_BYTES), "start")
            for r, row in enumerate(self.acc):
                offset = r * row_bytes + v * VECTOR_BYTES
                across = _across(fn, row[v * FLOAT_LANES : (v + 1) * FLOAT_LANES])
                total = across if start is None else f32x4.add(across, start)
                store_lanes(fn, out, epilogue.finish(fn, total, residual, offset, limits), offset, lanes)


def _across(fn: Function, sums: Sequence[Local]) -> Local:
    """One vector of the four vectors' own sums."""
    pairs = [_halves(fn, a, b, (0, 4, 1, 5), (2, 6, 3, 7)) for a, b in (sums[:2], sums[2:])]
    return _halves(fn, pairs[0], pairs[1], (0, 1, 4, 5), (2, 3, 6, 7))


def _halves(fn: Function, a: Local, b: Local, low: Sequence[int], high: Sequence[int]) -> Local:
    """The sum of two shuffles of two vectors, by lane numbers."""
    return fn.new(f32x4.add(_lanes(a, b, low), _lanes(a, b, high)), "half")


def _lanes(a: Local, b: Local, lanes: Sequence[int]) -> Expr:
    return shuffle(a, b, [lane * FLOAT_BYTES + byte for lane in lanes for byte in range(FLOAT_BYTES)])


def lanes_of(columns: int) -> Sequence[int]:
    """Valid lanes of each vector that ``columns`` values fill."""
    return [min(FLOAT_LANES, columns - first) for first in range(0, columns, FLOAT_LANES)]
