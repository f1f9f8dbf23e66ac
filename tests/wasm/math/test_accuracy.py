"""Elementary functions against mpmath and float64, over the whole range of float32; scalars and vectors alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.wasm.math import double, exponential, logarithm, sigmoidal, trigonometric
from compiler.wasm.numerics.lanes import Lanes
from tests.wasm.math.apply import Code, apply
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32, f64
from wasm_emit.types import Expr

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SPECIALS = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38], np.float32)


@dataclass(frozen=True, kw_only=True)
class Function1:
    """A function of one float32, its exact value, and the most units in the last place that it may be off."""

    name: str
    code: Code
    exact: Callable[[mpmath.mpf], mpmath.mpf]
    double: Callable[[F64], F64]
    ulps: float
    low: float = -math.inf
    high: float = math.inf
    vector: bool = True

    @property
    def inside(self) -> tuple[float, float]:
        """The domain as float32 that can be sampled."""
        return max(self.low, -3.4e38), min(self.high, 3.4e38)


def _through(code: Callable[[Function, Expr], Expr]) -> Code:
    def single(fn: Function, _: Lanes, x: Local) -> Expr:
        return f32.demote_f64(code(fn, fn.new(f64.promote_f32(x))))

    return single


def _erf(x: F64) -> F64:
    return np.array([math.erf(one) for one in x])


def _sigmoid(x: F64) -> F64:
    power = np.exp(-np.abs(x))
    return np.where(x < 0, power, 1.0) / (1.0 + power)


VECTORS = (
    Function1(name="exp", code=exponential.exp, exact=mpmath.exp, double=np.exp, ulps=1.0),
    Function1(name="expm1", code=exponential.expm1, exact=mpmath.expm1, double=np.expm1, ulps=2.0),
    Function1(name="log", code=logarithm.log, exact=mpmath.log, double=np.log, ulps=1.0, low=0.0),
    Function1(
        name="sigmoid", code=sigmoidal.sigmoid, exact=lambda x: 1 / (1 + mpmath.exp(-x)), double=_sigmoid, ulps=2.0
    ),
    Function1(name="tanh", code=sigmoidal.tanh, exact=mpmath.tanh, double=np.tanh, ulps=2.0),
    Function1(name="erf", code=sigmoidal.erf, exact=mpmath.erf, double=_erf, ulps=2.0),
    Function1(
        name="softplus", code=sigmoidal.softplus, exact=lambda x: mpmath.log1p(mpmath.exp(x)),
        double=lambda x: np.logaddexp(0.0, x), ulps=3.0,
    ),
)  # fmt: skip

SCALARS = tuple(
    Function1(name=name, code=_through(code), exact=exact, double=rough, ulps=0.51, low=low, high=high, vector=False)
    for name, code, exact, rough, low, high in (
        ("sin", trigonometric.sin64, mpmath.sin, np.sin, -math.inf, math.inf),
        ("cos", trigonometric.cos64, mpmath.cos, np.cos, -math.inf, math.inf),
        ("tan", trigonometric.tan64, mpmath.tan, np.tan, -math.inf, math.inf),
        ("asin", trigonometric.asin64, mpmath.asin, np.arcsin, -1, 1),
        ("acos", trigonometric.acos64, mpmath.acos, np.arccos, -1, 1),
        ("atan", trigonometric.atan64, mpmath.atan, np.arctan, -math.inf, math.inf),
        ("sinh", trigonometric.sinh64, mpmath.sinh, np.sinh, -math.inf, math.inf),
        ("cosh", trigonometric.cosh64, mpmath.cosh, np.cosh, -math.inf, math.inf),
        ("asinh", trigonometric.asinh64, mpmath.asinh, np.arcsinh, -math.inf, math.inf),
        ("acosh", trigonometric.acosh64, mpmath.acosh, np.arccosh, 1, math.inf),
        ("atanh", trigonometric.atanh64, mpmath.atanh, np.arctanh, -1, 1),
        ("exp64", double.exp64, mpmath.exp, np.exp, -math.inf, math.inf),
        ("log64", double.log64, mpmath.log, np.log, 0, math.inf),
    )
)
EVERY = VECTORS + SCALARS

_FLAT = 1e4
"""Beyond it exponentials are 0, 1, infinite, or x itself, and mpmath would compute millions of digits."""


def _each(functions: tuple[Function1, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("function", [pytest.param(one, id=one.name) for one in functions])


def _bits(count: int, low: float, high: float) -> F32:
    """Numbers of all sizes: evenly spread over the bit patterns between the bounds, both ends included."""
    parts = [_patterns(count // 2, max(low, 0.0), high)]
    if low < 0:
        parts.append(-_patterns(count // 2, 0.0, -low))
    return np.concatenate(parts)


def _patterns(count: int, low: float, high: float) -> F32:
    first, last = np.array([low, high], np.float32).view(np.uint32)
    return np.linspace(int(first), int(last), count).astype(np.uint32).view(np.float32)


def _sample(function: Function1, count: int) -> F32:
    """All sizes, and as many where most functions turn."""
    low, high = function.inside
    near = np.linspace(max(low, -20.0), min(high, 20.0), count // 2).astype(np.float32)
    return np.concatenate([_bits(count // 2, low, high), near])


def _off(got: F32, wanted: F64) -> F64:
    """Distance in units in the last place of the exact result; infinities and NaN must be the same."""
    with np.errstate(over="ignore"):
        rounded = wanted.astype(np.float32)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    unit = np.spacing(np.abs(np.where(np.isfinite(rounded), rounded, np.float32(1)))).astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.abs(got.astype(np.float64) - wanted) / unit
    finite = np.isfinite(rounded) & np.isfinite(got)
    return np.where(finite, distance, np.where(same, 0.0, np.inf))


@_each(EVERY)
def test_against_mpmath(function: Function1) -> None:
    x = _sample(function, 1200)
    got = apply(function.code, x, vector=function.vector)
    with mpmath.workprec(200):
        wanted = np.array([_as_double(function, float(one)) for one in x])
    off = _off(got, wanted)
    worst = int(np.argmax(off))
    assert off[worst] <= function.ulps, f"{function.name}({x[worst]!r}) = {got[worst]!r}, {off[worst]:.2f} ulp off"


def _as_double(function: Function1, x: float) -> float:
    """The exact value, rounded to float64; poles have a sign here."""
    if function.name in ("log", "log64") and x == 0.0:
        return -math.inf
    if function.name == "atanh" and abs(x) == 1.0:
        return math.copysign(math.inf, x)
    if abs(x) > _FLAT and function.name in ("exp", "expm1", "sinh", "cosh", "exp64", "softplus", "sigmoid", "tanh"):
        with np.errstate(over="ignore"):
            return float(function.double(np.array([x]))[0])
    return float(mpmath.mpf(function.exact(mpmath.mpf(x))))


@_each(VECTORS)
def test_dense_against_float64(function: Function1) -> None:
    x = _sample(function, 20_000 if function.name == "erf" else 400_000)
    got = apply(function.code, x, vector=True)
    with np.errstate(all="ignore"):
        off = _off(got, function.double(x.astype(np.float64)))
    worst = int(np.argmax(off))
    assert off[worst] <= function.ulps, f"{function.name}({x[worst]!r}) = {got[worst]!r}, {off[worst]:.2f} ulp off"


@_each(EVERY)
def test_special_values(function: Function1) -> None:
    got = apply(function.code, SPECIALS, vector=False)
    with np.errstate(all="ignore"):
        wanted = function.double(SPECIALS.astype(np.float64)).astype(np.float32)
    odd = ~(np.isfinite(wanted) & np.isfinite(got))
    np.testing.assert_array_equal(got[odd], wanted[odd])
    assert np.isnan(got[4])


@_each(VECTORS)
def test_scalars_and_vectors_give_the_same_bits(function: Function1) -> None:
    x = np.concatenate([_sample(function, 2000), SPECIALS])
    by_vector, by_scalar = (apply(function.code, x, vector=vector) for vector in (True, False))
    number = ~np.isnan(by_scalar)
    assert np.array_equal(np.isnan(by_vector), ~number)
    assert np.array_equal(by_vector.view(np.uint32)[number], by_scalar.view(np.uint32)[number])


def test_flushed_exp_is_exp_for_normal_results_and_zero_below() -> None:
    x = np.concatenate([np.linspace(-110.0, 0.0, 50_001, dtype=np.float32), np.array([-np.inf], np.float32)])
    got = apply(exponential.exp_flushed, x, vector=True)
    wanted = np.exp(x.astype(np.float64))
    normal = wanted > 2.0**-126 * (1 + 1e-6)
    assert _off(got[normal], wanted[normal]).max() <= 1.0
    assert np.all(got[wanted < 2.0**-126.51] == 0)


POWERS = [
    (2.0, 0.5), (2.0, -149.0), (-2.0, 3.0), (-2.0, 2.0), (-2.0, 0.5), (0.0, 0.0), (0.0, 1.5), (0.0, -1.5), (-0.0, 3.0),
    (-0.0, -3.0), (1.0, np.nan), (np.nan, 0.0), (np.nan, 1.0), (1.0, np.inf), (-1.0, np.inf), (0.5, np.inf),
    (0.5, -np.inf), (-0.5, np.inf), (2.0, np.inf), (np.inf, 2.0), (np.inf, -2.0), (-np.inf, 3.0), (-np.inf, 2.0),
    (-np.inf, -3.0), (-np.inf, 0.5), (1e-45, 2.0), (1e30, 2.0), (-1e30, 3.0), (1.0000001, 1e9), (3.0, 1.0),
]  # fmt: skip


def test_powers_of_special_values_are_ieee_754_s() -> None:
    base, exponent = (np.array(column, np.float32) for column in zip(*POWERS, strict=True))

    def code(fn: Function, _: Lanes, x: Local, y: Local) -> Expr:
        wide = [fn.new(f64.promote_f32(one)) for one in (x, y)]
        return f32.demote_f64(double.pow64(fn, wide[0], wide[1]))

    got = apply(code, base, exponent, vector=False)
    with np.errstate(all="ignore"):
        wanted = np.power(base.astype(np.float64), exponent.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(got, wanted)
    assert np.array_equal(np.signbit(got[wanted == 0]), np.signbit(wanted[wanted == 0]))


def test_remainders_are_exact() -> None:
    random = np.random.default_rng(5)
    size = np.exp2(random.uniform(-149, 127, (2, 4000))) * random.choice([-1, 1], (2, 4000))
    a, b = (np.concatenate([row, SPECIALS, SPECIALS[::-1]]).astype(np.float32) for row in size)

    def code(fn: Function, _: Lanes, x: Local, y: Local) -> Expr:
        return f32.demote_f64(double.remainder64(fn, f64.promote_f32(x), f64.promote_f32(y)))

    with np.errstate(all="ignore"):
        wanted = np.fmod(a, b)
    np.testing.assert_array_equal(apply(code, a, b, vector=False), wanted)
