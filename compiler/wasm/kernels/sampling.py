"""Reading a tensor at positions that are data and lie between its elements: interpolation by taps, at run time.

Addresses are clamped to the tensor whatever the position is, NaN and infinities included.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.wasm.numerics.lanes import F32
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32, f32_const, i32, select
from wasm_emit.types import Expr


class Padding(enum.StrEnum):
    """What lies outside of the tensor."""

    ZEROS = "zeros"
    BORDER = "border"
    REFLECTION = "reflection"


class Interpolation(enum.StrEnum):
    """How many taps per axis: 1, 2 or 4."""

    NEAREST = "nearest"
    LINEAR = "linear"
    CUBIC = "cubic"


@dataclass(frozen=True)
class Tap:
    """One element that counts: its byte offset, its weight, and an i32 that is zero where it is outside (or none)."""

    offset: Local
    weight: Local
    inside: Local | None


@dataclass(frozen=True, kw_only=True)
class SampledAxis:
    """An axis of ``size`` elements ``stride`` bytes apart. It is reflected at ``low`` and ``high``."""

    size: int
    stride: int
    padding: Padding
    low: float = 0.0
    high: float = 0.0

    def taps(self, fn: Function, position: Expr, how: Interpolation) -> list[Tap]:
        """The taps for a position in elements (f32)."""
        if how is Interpolation.NEAREST:
            x = fn.new(self._settled(fn, fn.new(f32.nearest(position), "x")), "x")
            return [self._tap(fn, x, F32.const(1.0))]
        x = fn.new(position, "x")
        if how is Interpolation.LINEAR or self.padding is not Padding.BORDER:
            fn.set(x, self._settled(fn, x))  # cubic at a border: each tap is clamped, as ONNX Runtime and PyTorch do
        first = fn.new(f32.floor(x), "first")
        part = fn.new(f32.sub(x, first), "part")
        if how is Interpolation.LINEAR:
            weights = [f32.sub(f32_const(1.0), part), part]
            return [self._tap(fn, f32.add(first, f32_const(at)), weight) for at, weight in enumerate(weights)]
        weights = cubic_weights(fn, part)
        return [self._tap(fn, f32.add(first, f32_const(at - 1)), weight) for at, weight in enumerate(weights)]

    def _settled(self, fn: Function, x: Local) -> Expr:
        """The position, brought inside unless zeros are outside."""
        if self.padding is Padding.BORDER:
            return self._clamped(fn, x)
        return self._reflected(fn, x) if self.padding is Padding.REFLECTION else x

    def _tap(self, fn: Function, index: Expr, weight: Expr) -> Tap:
        at = fn.new(index, "at")
        inside = None
        if self.padding is Padding.ZEROS:
            beyond = i32.and_(f32.ge(at, f32_const(0.0)), f32.le(at, f32_const(self.size - 1)))
            inside = fn.new(beyond, "inside")
        elif self.padding is Padding.REFLECTION:
            fn.set(at, self._reflected(fn, at))
        element = i32.trunc_sat_f32_s(self._clamped(fn, at))
        return Tap(fn.new(element * self.stride, "offset"), fn.new(weight, "weight"), inside)

    def _clamped(self, fn: Function, x: Local) -> Expr:
        low = fn.new(F32.pmax(x, f32_const(0.0)), "low")
        return F32.pmin(low, f32_const(self.size - 1))

    def _reflected(self, fn: Function, x: Local) -> Expr:
        """There and back between the borders."""
        span = self.high - self.low
        if span <= 0:
            return f32_const(self.low)
        far = fn.new(f32.abs(f32.sub(x, f32_const(self.low))), "far")
        turns = f32.floor(f32.div(far, f32_const(2 * span)))
        rest = fn.new(f32.sub(far, f32.mul(turns, f32_const(2 * span))), "rest")
        back = f32.sub(f32_const(2 * span), rest)
        return f32.add(f32_const(self.low), select(rest, back, f32.le(rest, f32_const(span))))


def cubic_weights(fn: Function, part: Local, a: float = -0.75) -> list[Expr]:
    """Keys' kernel at distances 1 + part, part, 1 - part, 2 - part."""
    rest = fn.new(f32.sub(f32_const(1.0), part), "rest")

    def near(x: Local) -> Expr:
        inner = f32.sub(f32.mul(f32_const(a + 2), x), f32_const(a + 3))
        return f32.add(f32.mul(f32.mul(inner, x), x), f32_const(1.0))

    def far(x: Expr) -> Expr:
        d = fn.new(f32.add(x, f32_const(1.0)), "d")
        inner = f32.add(f32.mul(f32.sub(f32.mul(f32_const(a), d), f32_const(5 * a)), d), f32_const(8 * a))
        return f32.sub(f32.mul(inner, d), f32_const(4 * a))

    return [far(part), near(part), near(rest), far(rest)]


def crossed(fn: Function, axes: Sequence[Sequence[Tap]]) -> list[Tap]:
    """Every combination of one tap per axis."""
    found = []
    for taps in itertools.product(*axes):
        offset: Expr = taps[0].offset
        weight: Expr = taps[0].weight
        inside: Expr | None = taps[0].inside
        for tap in taps[1:]:
            offset, weight = offset + tap.offset, f32.mul(weight, tap.weight)
            if inside is not None and tap.inside is not None:
                inside = i32.and_(inside, tap.inside)
        found.append(
            Tap(fn.new(offset, "offset"), fn.new(weight, "weight"), fn.new(inside, "inside") if inside else None)
        )
    return found


def read_tap(base: Expr, tap: Tap) -> Expr:
    """The element, zero where it is outside."""
    value = f32.load(base + tap.offset)
    return value if tap.inside is None else select(value, f32_const(0.0), tap.inside)


def blend(base: Expr, taps: Sequence[Tap]) -> Expr:
    """The weighted sum."""
    total: Expr | None = None
    for tap in taps:
        part = f32.mul(read_tap(base, tap), tap.weight)
        total = part if total is None else f32.add(total, part)
    return total if total is not None else f32_const(0.0)
