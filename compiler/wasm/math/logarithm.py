"""``log`` and ``log1p`` in float32, for scalars and vectors alike.

x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2); log(1 + f) from s = f / (2 + f), after FreeBSD's ``e_logf.c``
(Sun Microsystems, K. C. Ng): log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)).
"""

from __future__ import annotations

import math

from compiler.wasm.math.polynomial import as_local, polynomial
from compiler.wasm.numerics.lanes import Lanes
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

_LN2_HIGH = float.fromhex("0x1.62e300p-1")
_LN2_LOW = float.fromhex("0x1.2fefa2p-17")
_SERIES = (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693)
"""R(z) / z."""
_SQRT_HALF_BITS, _ONE_BITS, _MANTISSA, _MANTISSA_BITS = 0x3F3504F3, 0x3F800000, 0x007FFFFF, 23
_LEAST_NORMAL = 2.0**-126
_LIFT_BITS = 25
"""Subnormal numbers are multiplied by 2^25 first."""


def log(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """Give the natural logarithm within 1 ulp; log of 0 is -infinity, that of a negative number NaN."""
    given = as_local(fn, x)
    low = fn.new(lanes.lt(given, lanes.const(_LEAST_NORMAL)), "low")
    lifted = fn.new(lanes.select(low, lanes.mul(given, lanes.const(2.0**_LIFT_BITS)), given), "x")
    found = fn.new(_of_normal(fn, lanes, lifted, low), "log")
    found = fn.new(lanes.select(lanes.lt(given, lanes.const(math.inf)), found, given), "log")  # infinity and NaN
    found = fn.new(lanes.select(lanes.eq(given, lanes.const(0.0)), lanes.const(-math.inf), found), "log")
    return lanes.select(lanes.lt(given, lanes.const(0.0)), lanes.const(math.nan), found)


def log1p_of_fraction(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """log(1 + x) within 2 ulp for 0 <= x <= 1."""
    given = as_local(fn, x)
    one = lanes.const(1.0)
    total = fn.new(lanes.add(one, given), "u")
    lost = lanes.sub(given, lanes.sub(total, one))
    none = fn.new(lanes.lt(given, lanes.const(0.0)), "none")
    return lanes.add(_of_normal(fn, lanes, total, none), lanes.div(lost, total))


def _of_normal(fn: Function, lanes: Lanes, x: Local, lifted: Local) -> Expr:
    """log(x), less 25 log 2 where ``lifted``; x is positive and normal."""
    ints = lanes.integers
    bits = fn.new(ints.add(lanes.bits(x), ints.const(_ONE_BITS - _SQRT_HALF_BITS)), "bits")
    k = lanes.to_float(ints.sub(ints.shr(bits, _MANTISSA_BITS), ints.const(127)))
    k = lanes.sub(k, lanes.select(lifted, lanes.const(_LIFT_BITS), lanes.const(0.0)))
    power = fn.new(k, "k")
    mantissa = ints.add(ints.and_(bits, ints.const(_MANTISSA)), ints.const(_SQRT_HALF_BITS))
    f = fn.new(lanes.sub(lanes.from_bits(mantissa), lanes.const(1.0)), "f")
    s = fn.new(lanes.div(f, lanes.add(lanes.const(2.0), f)), "s")
    z = fn.new(lanes.mul(s, s), "z")
    half = fn.new(lanes.mul(lanes.mul(lanes.const(0.5), f), f), "half")
    r = lanes.mul(z, polynomial(fn, lanes, z, _SERIES))
    tail = lanes.add(lanes.mul(s, lanes.add(half, r)), lanes.mul(power, lanes.const(_LN2_LOW)))
    return lanes.add(lanes.add(lanes.sub(tail, half), f), lanes.mul(power, lanes.const(_LN2_HIGH)))
