"""QLinearAdd and QLinearMul of stored values, bit for bit as ONNX Runtime computes them on x86-64.

ONNX Runtime adds with two fused multiply-adds (``qladd_avx2.cpp``)::

    fixed = y_zero - fma(a_ratio, a_zero, b_ratio * b_zero)      a_ratio = a.scale / y.scale, all in float32
    stored = clamp(round_half_even(fma(a, a_ratio, fma(b, b_ratio, fixed))))

WebAssembly has no exact fused multiply-add. There are at most 65,536 pairs of stored values, so the compiler computes
all of them both ways, and takes the first formula without a difference: float32 in either order, with factors moved by
a unit or a few in the last place, or float64, whose products are exact (twice as slow). Multiplication (``qlmul.cpp``)
has no fused step: ``(a - a_zero) * (b - b_zero) * ratio + y_zero``.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.int8.requantize import SATURATION, rounded
from compiler.wasm.numerics.rounding import EXACT
from compiler.wasm.specs import Quant
from wasm_emit.instructions import f32x4, f64x2, shuffle, v128_const
from wasm_emit.types import Expr

_TIE_MASK, _TIE = 0x1FFFFFFF, 0x10000000
"""Bits of a float64 below a float32's last one; their pattern halfway between two float32."""

_LOW_QUARTERS = (0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
"""The low halves of two vectors."""


_CLOSE = 2.0**-9
"""Candidates are tried on sums this near to a tie first: float32 is off by 2**-13 at most among 8-bit results."""

_MOVES = 6
"""Units in the last place by which ``fixed`` is moved at most."""


REMEMBERED = 256
"""Answers of ``find_addition`` that are kept: passes ask before kernels do."""


class Order(enum.StrEnum):
    """Which of the proved formulas is used."""

    B_FIRST = "b_first"
    A_FIRST = "a_first"
    DOUBLE = "double"


@dataclass(frozen=True, slots=True)
class Addition:
    """``a * a_ratio + b * b_ratio + fixed`` of stored values, rounded half to even, is the stored sum."""

    a_ratio: float
    b_ratio: float
    fixed: float
    order: Order
    bounded: bool

    @property
    def key(self) -> str:
        """Tells two of these apart in the name of a shared function."""
        words = (self.a_ratio.hex(), self.b_ratio.hex(), self.fixed.hex(), self.order.value, str(self.bounded))
        return "/".join(words)


@functools.lru_cache(maxsize=REMEMBERED)
def find_addition(a: Quant, b: Quant, y: Quant, a_range: tuple[int, int] | None = None) -> Addition | None:
    """The cheapest formula that gives ONNX Runtime's sum for every pair; ``None`` if there is none.

    ``a_range`` are the stored values that ``a`` takes, if not all of its dtype.
    """
    (a_ratio, b_ratio), fixed = _factors(a, b, y)
    exact, every_a, every_b = _exact(a, b, y, a_range)
    low, high = y.stored_range
    wanted = _stored(exact, low, high)
    bounded = bool(np.abs(exact).max() < EXACT / 2)
    close = np.abs(np.abs(exact - np.rint(exact)) - 0.5) < _CLOSE
    close &= (exact > low - 1) & (exact < high + 1)
    near_a, near_b = (np.broadcast_to(every, exact.shape)[close] for every in (every_a, every_b))
    for order, moves in _candidates():
        first, second, third = map(_moved, (a_ratio, b_ratio, fixed), moves)
        found = Addition(first, second, third, order, bounded)
        if not np.array_equal(_stored(_evaluate(found, near_a, near_b), low, high), wanted[close]):
            continue
        if np.array_equal(_stored(_evaluate(found, every_a, every_b), low, high), wanted):
            return found
    return None


def _candidates() -> Iterator[tuple[Order, tuple[int, int, int]]]:
    """Formulas, by how far their factors are moved; float64 last."""
    moves = product(range(-1, 2), range(-1, 2), range(-_MOVES, _MOVES + 1))
    for move in sorted(moves, key=lambda three: sum(map(abs, three))):
        for order in (Order.B_FIRST, Order.A_FIRST):
            yield order, move
    yield Order.DOUBLE, (0, 0, 0)


def _moved(value: np.float32, by: int) -> float:
    """The float32 that is ``by`` units in the last place away."""
    for _ in range(abs(by)):
        value = np.nextafter(value, np.float32(np.copysign(np.inf, by)))
    return float(value)


def _stored(sums: NDArray[Any], low: int, high: int) -> NDArray[Any]:
    stored: NDArray[Any] = np.clip(np.rint(sums), low, high)
    return stored


def commutes(a: Quant, b: Quant, y: Quant) -> bool:
    """Whether ONNX Runtime gives the same stored sum in either order, for every pair of stored values."""
    one, other = (np.rint(_exact(*pair, y, None)[0]) for pair in ((a, b), (b, a)))
    return bool(np.array_equal(one, other.T))


def _factors(a: Quant, b: Quant, y: Quant) -> tuple[tuple[np.float32, np.float32], np.float32]:
    single = np.float32
    a_ratio, b_ratio = single(a.scale) / single(y.scale), single(b.scale) / single(y.scale)
    offset = _fma(np.asarray(a.zero_point, single), a_ratio, b_ratio * single(b.zero_point))
    return (a_ratio, b_ratio), single(single(y.zero_point) - offset)


def _exact(
    a: Quant, b: Quant, y: Quant, a_range: tuple[int, int] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """ONNX Runtime's sums before rounding, [values of a, values of b], and those values."""
    (a_ratio, b_ratio), fixed = _factors(a, b, y)
    low, high = a_range or a.stored_range
    first, second = b.stored_range
    every_a = np.arange(low, high + 1, dtype=np.float32)[:, None]
    every_b = np.arange(first, second + 1, dtype=np.float32)[None, :]
    return _fma(every_a, a_ratio, _fma(every_b, b_ratio, fixed)), every_a, every_b


def _evaluate(what: Addition, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """The formula as the emitted code computes it."""
    single = np.float32
    a_ratio, b_ratio, fixed = single(what.a_ratio), single(what.b_ratio), single(what.fixed)
    if what.order is Order.B_FIRST:
        return (fixed + b * b_ratio) + a * a_ratio
    if what.order is Order.A_FIRST:
        return (fixed + a * a_ratio) + b * b_ratio
    inner = (b.astype(np.float64) * np.float64(b_ratio) + np.float64(fixed)).astype(single)
    return (a.astype(np.float64) * np.float64(a_ratio) + inner.astype(np.float64)).astype(single)


def _fma(x: NDArray[Any], y: Any, z: Any) -> NDArray[Any]:
    """``x * y + z`` of float32 rounded once: exact product, two-sum, and ties broken by the rest that two-sum gives."""
    product = x.astype(np.float64) * np.float64(y)
    addend = np.asarray(z, dtype=np.float64)
    total = product + addend
    part = total - product
    rest = (product - (total - part)) + (addend - part)
    tie = (total.view(np.int64) & _TIE_MASK == _TIE) & (rest != 0)
    nudged = np.nextafter(total, np.where(rest > 0, np.inf, -np.inf))
    return np.where(tie, nudged, total).astype(np.float32)


def added(what: Addition, a: Expr, b: Expr) -> Expr:
    """Four sums as int32 from stored values as float32; not clamped yet."""
    if what.order is Order.DOUBLE:
        total = _added_double(what, a, b)
    else:
        first, second = (b, a) if what.order is Order.B_FIRST else (a, b)
        ratios = (what.b_ratio, what.a_ratio) if what.order is Order.B_FIRST else (what.a_ratio, what.b_ratio)
        inner = f32x4.add(v128_const("f32x4", what.fixed), f32x4.mul(first, v128_const("f32x4", ratios[0])))
        total = f32x4.add(inner, f32x4.mul(second, v128_const("f32x4", ratios[1])))
    if not what.bounded:
        total = f32x4.pmin(v128_const("f32x4", SATURATION), f32x4.pmax(v128_const("f32x4", -SATURATION), total))
    return rounded(total, 0)


def _added_double(what: Addition, a: Expr, b: Expr) -> Expr:
    halves = []
    for half in (0, 1):
        a_part, b_part = (_promoted(value, half) for value in (a, b))
        inner = f64x2.add(f64x2.mul(b_part, v128_const("f64x2", what.b_ratio)), v128_const("f64x2", what.fixed))
        single = f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(inner))
        outer = f64x2.add(f64x2.mul(a_part, v128_const("f64x2", what.a_ratio)), single)
        halves.append(f32x4.demote_f64x2_zero(outer))
    return shuffle(halves[0], halves[1], _LOW_QUARTERS)


def _promoted(value: Expr, half: int) -> Expr:
    if half:
        value = shuffle(value, value, (*range(8, 16), *range(8, 16)))
    return f64x2.promote_low_f32x4(value)
