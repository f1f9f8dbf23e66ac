"""``exp`` and ``expm1`` in float32, for scalars and vectors alike, from multiplications and additions only.

x = n ln 2 + r with |r| <= 0.347, ln 2 in two parts so that n times the first is exact (W. J. Cody and W. Waite,
"Software Manual for the Elementary Functions", chapter 6); e^r by a polynomial of degree 6 (minimax coefficients by
N. Juffa); 2^n in two factors, so that subnormal results are rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.wasm.lanes import Lanes
from compiler.wasm.math.polynomial import horner
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

_LOG2_E = 1.4426950408889634
_LN2_HIGH = float.fromhex("0x1.62e400p-1")
_LN2_LOW = float.fromhex("0x1.7f7d1cp-20")
_MAGIC = 12582912.0
"""1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits."""
_MAGIC_BITS = 0x4B400000
_LOWEST, _HIGHEST = -104.0, 89.0
"""Below, e^x is less than half of the least subnormal; above, it overflows."""
_SERIES = (1.37805939e-3, 8.37312452e-3, 4.16695364e-2, 1.66664720e-1, 4.99999851e-1)
"""(e^r - 1 - r) / r^2."""
_BIAS, _MANTISSA_BITS = 127, 23


@dataclass(frozen=True)
class _Parts:
    """e^x = (1 + p) * 2^half * 2^rest; the powers as floats."""

    p: Local
    half: Local
    rest: Local


def exp(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """e^x within 1 ulp, subnormal results included; overflow gives infinity, NaN stays NaN."""
    parts = _parts(fn, lanes, x)
    one = lanes.const(1.0)
    return lanes.mul(lanes.mul(lanes.add(one, parts.p), parts.half), parts.rest)


def expm1(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """e^x - 1 within 2 ulp, near 0 too."""
    parts = _parts(fn, lanes, x)
    scale = fn.new(lanes.mul(parts.half, parts.rest), "scale")
    one = lanes.const(1.0)
    # 2^128 is no float32, but half of the sum is one: only there do two factors matter.
    tiny = lanes.add(lanes.mul(parts.p, scale), lanes.sub(scale, one))
    large = lanes.mul(lanes.mul(lanes.add(one, parts.p), parts.half), parts.rest)
    return lanes.select(lanes.eq(scale, lanes.const(float("inf"))), large, tiny)


def _parts(fn: Function, lanes: Lanes, x: Expr) -> _Parts:
    inside = fn.new(
        lanes.pmin(fn.new(lanes.pmax(fn.new(x, "x"), lanes.const(_LOWEST)), "x"), lanes.const(_HIGHEST)), "x"
    )
    shifted = fn.new(lanes.add(lanes.mul(inside, lanes.const(_LOG2_E)), lanes.const(_MAGIC)), "n")
    whole = fn.new(lanes.sub(shifted, lanes.const(_MAGIC)), "n")
    high = lanes.sub(inside, lanes.mul(whole, lanes.const(_LN2_HIGH)))
    r = fn.new(lanes.sub(high, lanes.mul(whole, lanes.const(_LN2_LOW))), "r")
    p = fn.new(lanes.add(r, lanes.mul(lanes.mul(r, r), horner(lanes, r, _SERIES))), "p")
    ints = lanes.integers
    n = fn.new(ints.sub(lanes.bits(shifted), ints.const(_MAGIC_BITS)), "k")
    half = fn.new(ints.shr(n, 1), "k")
    return _Parts(p, _power(fn, lanes, half), _power(fn, lanes, ints.sub(n, half)))


def _power(fn: Function, lanes: Lanes, n: Expr) -> Local:
    """2^n for n from -126 to 127."""
    ints = lanes.integers
    return fn.new(lanes.from_bits(ints.shl(ints.add(n, ints.const(_BIAS)), _MANTISSA_BITS)), "power")
