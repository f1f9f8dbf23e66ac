"""``sigmoid``, ``tanh``, ``erf`` and ``softplus`` in float32, for scalars and vectors alike."""

from __future__ import annotations

from compiler.wasm.math.exponential import exp_inside, exp_of_negative
from compiler.wasm.math.logarithm import log1p_of_fraction
from compiler.wasm.math.polynomial import as_local, polynomial
from compiler.wasm.numerics.lanes import Lanes
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

_TANH_NEAR = 0.625
_TANH_SERIES = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
"""(tanh(x) / x - 1) / x^2 in x^2 below 0.625 (S. L. Moshier, Cephes, ``tanhf.c``)."""
_TANH_ONE = 10.0
"""From 9.02 on, tanh rounds to 1."""

_ERF_NEAR = 0.927734375
_ERF_SERIES = (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
"""erf(x) / x - 1 in x^2 below 475/512 (N. Juffa, 2016)."""
_ERF_EXPONENT = (
    -1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1, 0.0,
)  # fmt: skip
"""log(1 - erf(x)) + x above it (the same source)."""
_ERF_ONE = 4.0
"""From 3.92 on, erf rounds to 1."""


def sigmoid(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """1 / (1 + e^-x) within 2 ulp, subnormal results included."""
    given = as_local(fn, x)
    t = fn.new(exp_of_negative(fn, lanes, fn.new(lanes.neg(lanes.abs(given)), "x")), "t")
    one = lanes.const(1.0)
    # a / (1 + t) as a - a q: the rounding of 1 + t then hardly counts.
    q = lanes.div(t, lanes.add(one, t))
    a = fn.new(lanes.select(lanes.lt(given, lanes.const(0.0)), t, one), "a")
    return lanes.sub(a, lanes.mul(a, q))


def tanh(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """The hyperbolic tangent within 2 ulp."""
    given = as_local(fn, x)
    size = fn.new(lanes.abs(given), "size")
    square = fn.new(lanes.mul(given, given), "square")
    near = lanes.add(given, lanes.mul(lanes.mul(given, square), polynomial(fn, lanes, square, _TANH_SERIES)))
    near = fn.new(near, "near")
    held = fn.new(lanes.pmin(size, lanes.const(_TANH_ONE)), "held")
    one = lanes.const(1.0)
    power = exp_inside(fn, lanes, lanes.add(held, held))
    far = lanes.sub(one, lanes.div(lanes.const(2.0), lanes.add(power, one)))
    return lanes.select(lanes.lt(size, lanes.const(_TANH_NEAR)), near, lanes.copysign(far, given))


def erf(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """The error function within 2 ulp."""
    given = as_local(fn, x)
    size = fn.new(lanes.abs(given), "size")
    square = fn.new(lanes.mul(given, given), "square")
    near = fn.new(lanes.add(given, lanes.mul(given, polynomial(fn, lanes, square, _ERF_SERIES))), "near")
    held = fn.new(lanes.pmin(size, lanes.const(_ERF_ONE)), "held")
    exponent = lanes.sub(polynomial(fn, lanes, held, _ERF_EXPONENT), held)
    far = lanes.sub(lanes.const(1.0), exp_inside(fn, lanes, exponent))
    return lanes.select(lanes.lt(size, lanes.const(_ERF_NEAR)), near, lanes.copysign(far, given))


def softplus(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """log(1 + e^x) within 3 ulp."""
    given = as_local(fn, x)
    t = exp_of_negative(fn, lanes, fn.new(lanes.neg(lanes.abs(given)), "x"))
    rest = log1p_of_fraction(fn, lanes, fn.new(t, "t"))
    return lanes.add(lanes.pmax(given, lanes.const(0.0)), rest)


def silu(fn: Function, lanes: Lanes, x: Expr) -> Expr:
    """The product of ``x`` and its sigmoid."""
    given: Local = as_local(fn, x)
    return lanes.mul(given, sigmoid(fn, lanes, given))
