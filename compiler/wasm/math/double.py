"""``exp``, ``log``, ``pow`` and remainders in float64: for float64 itself, and for the last bit of float32 functions.

Relative error below 2e-15 (``pow``: times the size of y log x), so float32 results are within 1 ulp after rounding.
"""

from __future__ import annotations

import math

from compiler.wasm.lanes import Lanes
from compiler.wasm.math.polynomial import as_local, horner
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


def exp64(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """e^x."""
    ints = lanes.integers
    low = fn.new(lanes.pmax(as_local(fn, x), lanes.const(_LOWEST)), "x")
    held = fn.new(lanes.pmin(low, lanes.const(_HIGHEST)), "x")
    shifted = fn.new(lanes.add(lanes.mul(held, lanes.const(1 / math.log(2))), lanes.const(_MAGIC)), "n")
    whole = fn.new(lanes.sub(shifted, lanes.const(_MAGIC)), "n")
    high = lanes.sub(held, lanes.mul(whole, lanes.const(_LN2_HIGH)))
    r = fn.new(lanes.sub(high, lanes.mul(whole, lanes.const(_LN2_LOW))), "r")
    n = fn.new(ints.sub(lanes.bits(shifted), lanes.bits(lanes.const(_MAGIC))), "k")
    half = fn.new(ints.shr(n, 1), "k")
    series = horner(lanes, r, _EXP_SERIES)
    return lanes.mul(lanes.mul(series, _power(lanes, half)), _power(lanes, ints.sub(n, half)))


def log64(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """The natural logarithm of x; -infinity for 0, NaN below."""
    given, ints = as_local(fn, x), lanes.integers
    low = fn.new(lanes.lt(given, lanes.const(2.0**-1022)), "low")
    lifted = lanes.select(low, lanes.mul(given, lanes.const(2.0**_LIFT_BITS)), given)
    bits = fn.new(ints.add(lanes.bits(lifted), ints.const(_ONE_BITS - _SQRT_HALF_BITS)), "bits")
    # An exponent in the low bits of 1.5 * 2^52 is that number as a float.
    k = ints.add(ints.sub(ints.shr(bits, _MANTISSA_BITS), ints.const(_BIAS)), lanes.bits(lanes.const(_MAGIC)))
    k = lanes.sub(lanes.from_bits(k), lanes.const(_MAGIC))
    power = fn.new(lanes.sub(k, lanes.select(low, lanes.const(_LIFT_BITS), lanes.const(0.0))), "k")
    mantissa = ints.add(ints.and_(bits, ints.const(_MANTISSA)), ints.const(_SQRT_HALF_BITS))
    f = fn.new(lanes.sub(lanes.from_bits(mantissa), lanes.const(1.0)), "f")
    s = fn.new(lanes.div(f, lanes.add(lanes.const(2.0), f)), "s")
    square = fn.new(lanes.mul(s, s), "square")
    tail = lanes.add(lanes.mul(s, horner(lanes, square, _LOG_SERIES)), lanes.mul(power, lanes.const(_LN2_LOW)))
    found = fn.new(lanes.add(tail, lanes.mul(power, lanes.const(_LN2_HIGH))), "log")
    found = fn.new(lanes.select(lanes.lt(given, lanes.const(math.inf)), found, given), "log")  # infinity and NaN
    found = fn.new(lanes.select(lanes.eq(given, lanes.const(0.0)), lanes.const(-math.inf), found), "log")
    return lanes.select(lanes.lt(given, lanes.const(0.0)), lanes.const(math.nan), found)


def pow64(fn: Function, lanes: Lanes, x: Expr, y: Expr) -> Expr:
    """``x`` to the ``y`` with the special cases of IEEE 754 (section 9.2.1)."""
    base, exponent = as_local(fn, x), as_local(fn, y)
    zero, one = lanes.const(0.0), lanes.const(1.0)
    size = fn.new(lanes.abs(base), "size")
    found = fn.new(exp64(fn, lanes, fn.new(lanes.mul(exponent, log64(fn, lanes, size)), "x")), "power")
    half = fn.new(lanes.mul(exponent, lanes.const(0.5)), "half")
    whole = fn.new(lanes.eq(exponent, lanes.round("trunc", exponent)), "whole")
    odd = lanes.both(whole, lanes.ne(half, lanes.round("trunc", half)))
    signed = fn.new(lanes.select(odd, lanes.copysign(found, base), found), "power")
    broken = lanes.both(lanes.lt(base, zero), lanes.invert(whole))
    broken = lanes.both(broken, lanes.lt(size, lanes.const(math.inf)))
    signed = fn.new(lanes.select(broken, lanes.const(math.nan), signed), "power")
    infinite = lanes.eq(lanes.abs(exponent), lanes.const(math.inf))
    certain = lanes.either(lanes.eq(base, one), lanes.both(lanes.eq(size, one), infinite))
    return lanes.select(lanes.either(certain, lanes.eq(exponent, zero)), one, signed)


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


def _power(lanes: Lanes, n: Expr) -> Expr:
    """2^n for normal results."""
    ints = lanes.integers
    return lanes.from_bits(ints.shl(ints.add(n, ints.const(_BIAS)), _MANTISSA_BITS))
