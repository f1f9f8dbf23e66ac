"""``exp``, ``log``, ``pow`` and remainders of scalars in float64, for the last bit of float32 functions.

Relative error below 2e-15 (``pow``: times the size of y log x), so float32 results are within 1 ulp after rounding.
"""

from __future__ import annotations

import math

from compiler.wasm.math.polynomial import as_local, polynomial
from compiler.wasm.numerics.lanes import Lanes
from edge_bundle.tensor import DType
from wasm_emit.function import Function
from wasm_emit.types import Expr

F64 = Lanes(DType.FP64, 1)
"""One float64."""

_LN2_HIGH = float.fromhex("0x1.62e42feep-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
"""ln 2 in two parts, the first with 21 zero bits at its end."""
_MAGIC = 1.5 * 2.0**52
_EXP_SERIES = tuple(1.0 / math.factorial(n) for n in range(13, -1, -1))
_LOG_SERIES = tuple(2.0 / (2 * n + 1) for n in range(10, -1, -1))
"""log(1 + f) / s in s^2 with s = f / (2 + f), |s| <= 0.1716."""
_LOWEST, _HIGHEST = -746.0, 710.0
_BIAS, _MANTISSA_BITS = 1023, 52
_MANTISSA = (1 << 52) - 1
_SQRT_HALF_BITS, _ONE_BITS = 0x3FE6A09E667F3BCD, 0x3FF0000000000000
_LIFT_BITS = 54
_QUOTIENT_BITS = -1 << 26
"""Keeps 27 bits of a quotient, so that its product with a float32 is exact."""


def exp64(fn: Function, x: Expr) -> Expr:
    """e^x."""
    ints = F64.integers
    low = fn.new(F64.pmax(as_local(fn, x), F64.const(_LOWEST)), "x")
    held = fn.new(F64.pmin(low, F64.const(_HIGHEST)), "x")
    shifted = fn.new(F64.add(F64.mul(held, F64.const(1 / math.log(2))), F64.const(_MAGIC)), "n")
    whole = fn.new(F64.sub(shifted, F64.const(_MAGIC)), "n")
    high = F64.sub(held, F64.mul(whole, F64.const(_LN2_HIGH)))
    r = fn.new(F64.sub(high, F64.mul(whole, F64.const(_LN2_LOW))), "r")
    n = fn.new(ints.sub(F64.bits(shifted), F64.bits(F64.const(_MAGIC))), "k")
    half = fn.new(ints.shr(n, 1), "k")
    series = polynomial(fn, F64, r, _EXP_SERIES)
    return F64.mul(F64.mul(series, _power(half)), _power(ints.sub(n, half)))


def log64(fn: Function, x: Expr) -> Expr:
    """The natural logarithm of x; -infinity for 0, NaN below."""
    given, ints = as_local(fn, x), F64.integers
    low = fn.new(F64.lt(given, F64.const(2.0**-1022)), "low")
    lifted = F64.select(low, F64.mul(given, F64.const(2.0**_LIFT_BITS)), given)
    bits = fn.new(ints.add(F64.bits(lifted), ints.const(_ONE_BITS - _SQRT_HALF_BITS)), "bits")
    # An exponent in the low bits of 1.5 * 2^52 is that number as a float.
    k = ints.add(ints.sub(ints.shr(bits, _MANTISSA_BITS), ints.const(_BIAS)), F64.bits(F64.const(_MAGIC)))
    k = F64.sub(F64.from_bits(k), F64.const(_MAGIC))
    power = fn.new(F64.sub(k, F64.select(low, F64.const(_LIFT_BITS), F64.const(0.0))), "k")
    mantissa = ints.add(ints.and_(bits, ints.const(_MANTISSA)), ints.const(_SQRT_HALF_BITS))
    f = fn.new(F64.sub(F64.from_bits(mantissa), F64.const(1.0)), "f")
    s = fn.new(F64.div(f, F64.add(F64.const(2.0), f)), "s")
    square = fn.new(F64.mul(s, s), "square")
    tail = F64.add(F64.mul(s, polynomial(fn, F64, square, _LOG_SERIES)), F64.mul(power, F64.const(_LN2_LOW)))
    found = fn.new(F64.add(tail, F64.mul(power, F64.const(_LN2_HIGH))), "log")
    found = fn.new(F64.select(F64.lt(given, F64.const(math.inf)), found, given), "log")  # infinity and NaN
    found = fn.new(F64.select(F64.eq(given, F64.const(0.0)), F64.const(-math.inf), found), "log")
    return F64.select(F64.lt(given, F64.const(0.0)), F64.const(math.nan), found)


def pow64(fn: Function, x: Expr, y: Expr) -> Expr:
    """``x`` to the ``y`` with the special cases of IEEE 754 (section 9.2.1)."""
    base, exponent = as_local(fn, x), as_local(fn, y)
    zero, one = F64.const(0.0), F64.const(1.0)
    size = fn.new(F64.abs(base), "size")
    found = fn.new(exp64(fn, fn.new(F64.mul(exponent, log64(fn, size)), "x")), "power")
    half = fn.new(F64.mul(exponent, F64.const(0.5)), "half")
    whole = fn.new(F64.eq(exponent, F64.round("trunc", exponent)), "whole")
    odd = F64.both(whole, F64.ne(half, F64.round("trunc", half)))
    signed = fn.new(F64.select(odd, F64.copysign(found, base), found), "power")
    broken = F64.both(F64.lt(base, zero), F64.invert(whole))
    broken = F64.both(broken, F64.lt(size, F64.const(math.inf)))
    signed = fn.new(F64.select(broken, F64.const(math.nan), signed), "power")
    infinite = F64.eq(F64.abs(exponent), F64.const(math.inf))
    certain = F64.either(F64.eq(base, one), F64.both(F64.eq(size, one), infinite))
    return F64.select(F64.either(certain, F64.eq(exponent, zero)), one, signed)


def remainder64(fn: Function, a: Expr, b: Expr) -> Expr:
    """C's ``fmod``, exact, for scalars that are float32 numbers; NaN if ``a`` is infinite or ``b`` is 0."""
    dividend = as_local(fn, a)
    divisor = fn.new(F64.abs(b), "divisor")
    left = fn.new(F64.abs(dividend), "left")
    ints = F64.integers
    valid = F64.both(F64.lt(left, F64.const(math.inf)), F64.gt(divisor, F64.const(0.0)))
    with fn.block("done") as done:
        with fn.if_not(valid):
            fn.set(left, F64.const(math.nan))
        fn.br(done, F64.eq(divisor, F64.const(math.inf)))
        with fn.loop("reduce") as reduce:
            fn.br(done, F64.invert(F64.ge(left, divisor)))
            quotient = F64.round("trunc", F64.div(left, divisor))
            cut = F64.from_bits(ints.and_(F64.bits(quotient), ints.const(_QUOTIENT_BITS)))
            fn.set(left, F64.sub(left, F64.mul(cut, divisor)))
            with fn.if_(F64.lt(left, F64.const(0.0))):  # the quotient was rounded up
                fn.set(left, F64.add(left, divisor))
            fn.br(reduce)
    return F64.copysign(left, dividend)


def _power(n: Expr) -> Expr:
    """2^n for normal results."""
    ints = F64.integers
    return F64.from_bits(ints.shl(ints.add(n, ints.const(_BIAS)), _MANTISSA_BITS))
