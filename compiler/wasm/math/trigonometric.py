"""Circular and hyperbolic functions and their inverses, as scalars in float64: float32 results are within 1 ulp.

Arguments of sin, cos and tan are reduced exactly enough over the whole range of float32: below 2^27 by pi/2 in two
parts, above with the bits of 2/pi that matter (M. Payne and R. Hanek, "Radian Reduction for Trigonometric Functions",
SIGNUM 1983). atan after S. L. Moshier, Cephes.
"""

from __future__ import annotations

import math

from compiler.wasm.math.double import F64, exp64, log64
from compiler.wasm.math.polynomial import as_local, polynomial
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f64, i32, i64, i64_const, select
from wasm_emit.types import Expr

_HALF_PI_HIGH = float.fromhex("0x1.921fb50000000p+0")
_HALF_PI_LOW = float.fromhex("0x1.110b4611a6263p-26")
_SIN_SERIES = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(8, -1, -1))
_COS_SERIES = tuple((-1) ** n / math.factorial(2 * n) for n in range(8, -1, -1))
_TWO_OVER_PI = (0, 0x28BE60DB, 0x9391054A, 0x7F09D5F4, 0x7D4D3770, 0x36D8A566, 0x4F10E410, 0)
"""Bits of 2/pi behind the point, 32 to a word, after a word of zeros."""
_MEDIUM = 2.0**27

_ATAN_P = (-8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1,
           -1.228866684490136173410e2, -6.485021904942025371773e1)  # fmt: skip
_ATAN_Q = (1.0, 2.485846490142306297962e1, 1.650270098316988542046e2, 4.328810604912902668951e2,
           4.853903996359136964868e2, 1.945506571482613964425e2)  # fmt: skip
_NEAR = 1.0e-2
"""Below, the first terms of the series are exact to float64's last bits, where differences would cancel."""


def sin64(fn: Function, x: Expr) -> Expr:
    """The sine."""
    r, quadrant = _reduced(fn, x)
    sine, cosine = _both(fn, r)
    odd = i32.and_(quadrant, 1)
    value = fn.new(select(cosine, sine, odd), "value")
    return select(f64.neg(value), value, i32.and_(quadrant, 2))


def cos64(fn: Function, x: Expr) -> Expr:
    """The cosine."""
    r, quadrant = _reduced(fn, x)
    sine, cosine = _both(fn, r)
    value = fn.new(select(sine, cosine, i32.and_(quadrant, 1)), "value")
    return select(f64.neg(value), value, i32.and_(quadrant + 1, 2))


def tan64(fn: Function, x: Expr) -> Expr:
    """The tangent."""
    r, quadrant = _reduced(fn, x)
    sine, cosine = _both(fn, r)
    odd = i32.and_(quadrant, 1)
    return f64.div(select(f64.neg(cosine), sine, odd), select(sine, cosine, odd))


def atan64(fn: Function, x: Expr) -> Expr:
    """The arc tangent."""
    given = as_local(fn, x)
    size = fn.new(f64.abs(given), "size")
    far = fn.new(f64.gt(size, F64.const(1 + math.sqrt(2))), "far")
    middle = fn.new(f64.gt(size, F64.const(math.sqrt(2) - 1)), "middle")
    one = F64.const(1.0)
    reduced = select(f64.div(f64.sub(size, one), f64.add(size, one)), size, middle)
    t = fn.new(select(f64.div(F64.const(-1.0), size), reduced, far), "t")
    base = select(F64.const(math.pi / 2), select(F64.const(math.pi / 4), F64.const(0.0), middle), far)
    z = fn.new(f64.mul(t, t), "z")
    ratio = f64.div(polynomial(fn, F64, z, _ATAN_P), polynomial(fn, F64, z, _ATAN_Q))
    return f64.copysign(f64.add(base, f64.add(t, f64.mul(f64.mul(t, z), ratio))), given)


def asin64(fn: Function, x: Expr) -> Expr:
    """The arc sine; NaN beyond 1."""
    given = as_local(fn, x)
    one = F64.const(1.0)
    other = f64.sqrt(f64.mul(f64.sub(one, given), f64.add(one, given)))
    return atan64(fn, f64.div(given, other))


def acos64(fn: Function, x: Expr) -> Expr:
    """The arc cosine; NaN beyond 1."""
    return f64.sub(F64.const(math.pi / 2), asin64(fn, x))


def sinh64(fn: Function, x: Expr) -> Expr:
    """The hyperbolic sine."""
    given = as_local(fn, x)
    power = fn.new(exp64(fn, given), "power")
    far = f64.mul(F64.const(0.5), f64.sub(power, f64.div(F64.const(1.0), power)))
    return _near(fn, given, (1 / 5040, 1 / 120, 1 / 6, 1.0), far)


def cosh64(fn: Function, x: Expr) -> Expr:
    """The hyperbolic cosine."""
    power = fn.new(exp64(fn, x), "power")
    return f64.mul(F64.const(0.5), f64.add(power, f64.div(F64.const(1.0), power)))


def asinh64(fn: Function, x: Expr) -> Expr:
    """The inverse of the hyperbolic sine."""
    given = as_local(fn, x)
    size = fn.new(f64.abs(given), "size")
    root = f64.sqrt(f64.add(f64.mul(size, size), F64.const(1.0)))
    far = f64.copysign(log64(fn, f64.add(size, root)), given)
    return _near(fn, given, (-15 / 336, 3 / 40, -1 / 6, 1.0), far)


def acosh64(fn: Function, x: Expr) -> Expr:
    """The inverse of the hyperbolic cosine; NaN below 1."""
    given = as_local(fn, x)
    one = F64.const(1.0)
    root = f64.mul(f64.sqrt(f64.sub(given, one)), f64.sqrt(f64.add(given, one)))
    return log64(fn, f64.add(given, root))


def atanh64(fn: Function, x: Expr) -> Expr:
    """The inverse of the hyperbolic tangent; infinite at 1, NaN beyond."""
    given = as_local(fn, x)
    one = F64.const(1.0)
    far = f64.mul(F64.const(0.5), log64(fn, f64.div(f64.add(one, given), f64.sub(one, given))))
    return _near(fn, given, (1 / 7, 1 / 5, 1 / 3, 1.0), far)


def _near(fn: Function, x: Local, series: tuple[float, ...], far: Expr) -> Expr:
    """Near 0 an odd function by its series in x^2, else ``far``."""
    square = fn.new(f64.mul(x, x), "square")
    near = f64.mul(x, polynomial(fn, F64, square, series))
    return select(near, far, f64.lt(f64.abs(x), F64.const(_NEAR)))


def _both(fn: Function, r: Local) -> tuple[Local, Local]:
    """Sine and cosine for |r| <= pi / 4."""
    square = fn.new(f64.mul(r, r), "square")
    sine = fn.new(f64.mul(r, polynomial(fn, F64, square, _SIN_SERIES)), "sine")
    return sine, fn.new(polynomial(fn, F64, square, _COS_SERIES), "cosine")


def _reduced(fn: Function, x: Expr) -> tuple[Local, Local]:
    """``x - quadrant * pi / 2`` between -pi/4 and pi/4, and the quadrant modulo 4 (i32)."""
    given = as_local(fn, x)
    whole = fn.new(f64.nearest(f64.mul(given, F64.const(2 / math.pi))), "n")
    high = f64.sub(given, f64.mul(whole, F64.const(_HALF_PI_HIGH)))
    r = fn.new(f64.sub(high, f64.mul(whole, F64.const(_HALF_PI_LOW))), "r")
    quadrant = fn.new(i32.trunc_sat_f64_s(whole), "quadrant")
    with fn.if_(f64.ge(f64.abs(given), F64.const(_MEDIUM))):
        _reduce_large(fn, given, r, quadrant)
    return r, quadrant


def _reduce_large(fn: Function, x: Local, r: Local, quadrant: Local) -> None:
    """The same for a float32 of at least 2^27, in 2.62 fixed point."""
    bits = fn.new(i64.reinterpret_f64(x), "bits")
    exponent = i64.sub(i64.and_(i64.shr_u(bits, i64_const(52)), i64_const(0x7FF)), i64_const(1022))
    e = fn.new(i32.wrap_i64(exponent), "e")
    mantissa = i64.or_(i64.and_(i64.shr_u(bits, i64_const(21)), i64_const(0x7FFFFFFF)), i64_const(0x80000000))
    m = fn.new(mantissa, "m")
    word = fn.new(i32.shr_u(e, 5), "word")
    shift = fn.new(i64.extend_i32_u(i32.and_(e, 31)), "shift")
    words = [fn.new(_word(word, ahead), "w") for ahead in range(4)]
    high, mid, low = (fn.new(_window(words[n], words[n + 1], shift), "part") for n in range(3))
    product = i64.add(i64.shl(i64.mul(m, high), i64_const(32)), i64.mul(m, mid))
    phase = fn.new(i64.add(product, i64.shr_u(i64.mul(m, low), i64_const(32))), "phase")
    rounded = i64.shr_u(i64.add(phase, i64_const(1 << 61)), i64_const(62))
    fn.set(quadrant, i32.wrap_i64(rounded))
    fraction = i64.shr_s(i64.shl(phase, i64_const(2)), i64_const(2))
    fn.set(r, f64.mul(f64.convert_i64_s(fraction), F64.const(math.pi / 2 * 2.0**-62)))
    with fn.if_(f64.lt(x, F64.const(0.0))):
        fn.set(r, f64.neg(r))
        fn.set(quadrant, i32.sub(0, quadrant))
    with fn.if_(i32.eqz(f64.lt(f64.abs(x), F64.const(math.inf)))):
        fn.set(r, F64.const(math.nan))


def _word(index: Expr, ahead: int) -> Expr:
    """Word ``index + ahead`` of 2/pi, by selection: no table in memory."""
    last = len(_TWO_OVER_PI) - 1
    value = i64_const(_TWO_OVER_PI[min(4 + ahead, last)])
    for at in range(3, -1, -1):
        value = select(i64_const(_TWO_OVER_PI[at + ahead]), value, i32.eq(index, at))
    return value


def _window(first: Expr, second: Expr, shift: Expr) -> Expr:
    """32 bits that begin ``shift`` bits into the first word."""
    both = i64.or_(i64.shl(first, i64_const(32)), second)
    return i64.and_(i64.shr_u(both, i64.sub(i64_const(32), shift)), i64_const(0xFFFFFFFF))
