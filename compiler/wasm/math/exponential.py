"""``exp`` and ``expm1`` in float32, for scalars and vectors alike, from multiplications and additions only.

x = n ln 2 + r with |r| <= 0.347, ln 2 in two parts so that n times the first is exact (W. J. Cody and W. Waite,
"Software Manual for the Elementary Functions", chapter 6); e^r by a polynomial of degree 6 (minimax coefficients by
N. Juffa); 2^n in two factors, so that subnormal results are rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.wasm.math.polynomial import as_local, polynomial
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.rounding import MAGIC, MAGIC_BITS
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

_LOG2_E = 1.4426950408889634
_LN2_HIGH = float.fromhex("0x1.62e400p-1")
_LN2_LOW = float.fromhex("0x1.7f7d1cp-20")
_LOWEST, _HIGHEST = -104.0, 89.0
"""Below, e^x is less than half of the least subnormal; above, it overflows."""
_SERIES = (1.37805939e-3, 8.37312452e-3, 4.16695364e-2, 1.66664720e-1, 4.99999851e-1)
"""(e^r - 1 - r) / r^2."""
_BIAS, _MANTISSA_BITS = 127, 23
_LIFT = 64
"""Powers of two down to 2^-150 are normal when lifted by 2^64."""


def exp(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """e^x within 1 ulp, subnormal results included; overflow gives infinity, NaN stays NaN."""
    return _scaled(lanes, _parts(fn, lanes, _clamped(fn, lanes, x)))


def exp_of_negative(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """e^x within 1 ulp for x <= 0 (or NaN), subnormal results included."""
    ints = lanes.integers
    series = _series(fn, lanes, lanes.pmax(as_local(fn, x), lanes.const(_LOWEST)))
    power = _power(fn, lanes, ints.add(_whole(lanes, series.shifted), ints.const(_LIFT)))
    lifted = lanes.mul(lanes.add(lanes.const(1.0), series.p), power)
    return lanes.mul(lifted, lanes.const(2.0**-_LIFT))


def exp_flushed(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """e^x within 1 ulp for x <= 0 (or NaN), and 0 below 2^-126.5: for shares of a sum of at least 1."""
    ints = lanes.integers
    series = _series(fn, lanes, lanes.pmax(as_local(fn, x), lanes.const(_LOWEST)))
    exponent = fn.new(ints.sub(lanes.bits(series.shifted), ints.const(MAGIC_BITS - _BIAS)), "k")
    power = lanes.from_bits(ints.shl(ints.max(exponent, ints.const(0)), _MANTISSA_BITS))
    return lanes.mul(lanes.add(lanes.const(1.0), series.p), power)


def exp_inside(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """e^x within 1 ulp for -87 <= x <= 88 (or NaN), where neither end of the range is near."""
    series = _series(fn, lanes, x)
    power = _power(fn, lanes, _whole(lanes, series.shifted))
    return lanes.mul(lanes.add(lanes.const(1.0), series.p), power)


def expm1(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """e^x - 1 within 2 ulp, near 0 too."""
    parts = _parts(fn, lanes, _clamped(fn, lanes, x))
    scale = fn.new(lanes.mul(parts.half, parts.rest), "scale")
    # 2^128 is no float32, but (1 + p) 2^128 / 2 may be one: only there are two factors needed.
    near = lanes.add(lanes.mul(parts.p, scale), lanes.sub(scale, lanes.const(1.0)))
    return lanes.select(lanes.eq(scale, lanes.const(float("inf"))), _scaled(lanes, parts), near)


@dataclass(frozen=True)
class _Series:
    """e^x = (1 + p) * 2^n; n stands in the low bits of ``shifted``."""

    p: Local
    shifted: Local


@dataclass(frozen=True)
class _Parts:
    """e^x = (1 + p) * half * rest, where the last two are powers of two."""

    p: Local
    half: Local
    rest: Local


def _clamped(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    low = fn.new(lanes.pmax(as_local(fn, x), lanes.const(_LOWEST)), "x")
    return lanes.pmin(low, lanes.const(_HIGHEST))


def _series(fn: Function, lanes: Lanes, x: Expr) -> _Series:
    inside = as_local(fn, x)
    shifted = fn.new(lanes.add(lanes.mul(inside, lanes.const(_LOG2_E)), lanes.const(MAGIC)), "n")
    whole = fn.new(lanes.sub(shifted, lanes.const(MAGIC)), "n")
    high = lanes.sub(inside, lanes.mul(whole, lanes.const(_LN2_HIGH)))
    r = fn.new(lanes.sub(high, lanes.mul(whole, lanes.const(_LN2_LOW))), "r")
    p = lanes.add(r, lanes.mul(lanes.mul(r, r), polynomial(fn, lanes, r, _SERIES)))
    return _Series(fn.new(p, "p"), shifted)


def _parts(fn: Function, lanes: Lanes, x: Expr) -> _Parts:
    series = _series(fn, lanes, x)
    ints = lanes.integers
    n = fn.new(_whole(lanes, series.shifted), "k")
    half = fn.new(ints.shr(n, 1), "k")
    return _Parts(series.p, _power(fn, lanes, half), _power(fn, lanes, ints.sub(n, half)))


def _scaled(lanes: Lanes, parts: _Parts) -> Expr:
    return lanes.mul(lanes.mul(lanes.add(lanes.const(1.0), parts.p), parts.half), parts.rest)


def _whole(lanes: Lanes, shifted: Expr) -> Expr:
    ints = lanes.integers
    return ints.sub(lanes.bits(shifted), ints.const(MAGIC_BITS))


def _power(fn: Function, lanes: Lanes, n: Expr) -> Local:
    """2^n for n from -126 to 127."""
    ints = lanes.integers
    return fn.new(lanes.from_bits(ints.shl(ints.add(n, ints.const(_BIAS)), _MANTISSA_BITS)), "power")
