"""Elementary functions and activations of float32.

Those of ``math/exponential.py``, ``logarithm.py`` and ``sigmoidal.py`` are computed in vectors, the circular and
hyperbolic ones as scalars in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from compiler.ir.graph import Node
from compiler.wasm.math import trigonometric
from compiler.wasm.math.activation import hard_sigmoid, leaky_relu
from compiler.wasm.math.exponential import exp, expm1
from compiler.wasm.math.logarithm import log
from compiler.wasm.math.sigmoidal import erf, sigmoid, softplus, tanh
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.pointwise import Code, pointwise, simple, spread
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32, f64
from wasm_emit.types import Expr

_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
"""Defaults of ONNX Selu."""

Double = Callable[[Function, Expr], Expr]
"""A function of one scalar float64."""


def _double(code: Double) -> Rule:
    """Scalars, computed in float64."""

    def single(fn: Function, _: Lanes, x: Local) -> Expr:
        return f32.demote_f64(code(fn, fn.new(f64.promote_f32(x), "wide")))

    return simple(single, FP32, vector=False, cheap=False)


def _with(code: Code, defaults: Mapping[str, float], *, cheap: bool = False) -> Rule:
    """``code(fn, lanes, x, **attributes)`` with the attributes named in ``defaults``."""

    def lower(node: Node, scope: Scope) -> Step:
        chosen = {name: float(node.attrs.get(name, value)) for name, value in defaults.items()}

        def body(fn: Function, lanes: Lanes, x: Local) -> Expr:
            return code(fn, lanes, x, **chosen)

        return pointwise(node, scope, spread(body), cheap=cheap)

    return Rule(lower=lower, dtypes=FP32)


def _elu(fn: Function, lanes: Lanes, x: Local, alpha: float) -> Expr:
    low = lanes.mul(lanes.const(alpha), expm1(fn, lanes, x))
    return lanes.select(lanes.lt(x, lanes.const(0.0)), low, x)


def _selu(fn: Function, lanes: Lanes, x: Local, alpha: float, gamma: float) -> Expr:
    low = lanes.mul(lanes.const(alpha), expm1(fn, lanes, x))
    return lanes.mul(lanes.const(gamma), lanes.select(lanes.le(x, lanes.const(0.0)), low, x))


def _celu(fn: Function, lanes: Lanes, x: Local, alpha: float) -> Expr:
    low = lanes.mul(lanes.const(alpha), expm1(fn, lanes, lanes.div(x, lanes.const(alpha))))
    return lanes.select(lanes.lt(x, lanes.const(0.0)), low, x)


def _swish(fn: Function, lanes: Lanes, x: Local, alpha: float) -> Expr:
    return lanes.mul(x, sigmoid(fn, lanes, lanes.mul(x, lanes.const(alpha))))


def _mish(fn: Function, lanes: Lanes, x: Local) -> Expr:
    return lanes.mul(x, tanh(fn, lanes, softplus(fn, lanes, x)))


def _softsign(_fn: Function, lanes: Lanes, x: Local) -> Expr:
    return lanes.div(x, lanes.add(lanes.const(1.0), lanes.abs(x)))


def _hard_swish(fn: Function, lanes: Lanes, x: Local) -> Expr:
    return lanes.mul(x, hard_sigmoid(fn, lanes, x, 1 / 6, 0.5))


def _thresholded(_fn: Function, lanes: Lanes, x: Local, alpha: float) -> Expr:
    return lanes.select(lanes.gt(x, lanes.const(alpha)), x, lanes.const(0.0))


def _shrink(fn: Function, lanes: Lanes, x: Local, lambd: float, bias: float) -> Expr:
    inside = lanes.select(lanes.gt(x, lanes.const(lambd)), lanes.sub(x, lanes.const(bias)), lanes.const(0.0))
    return lanes.select(lanes.lt(x, lanes.const(-lambd)), lanes.add(x, lanes.const(bias)), fn.new(inside, "high"))


def _gelu(node: Node, scope: Scope) -> Step:
    form = node.attrs.get("approximate", "none")
    if form not in ("none", "tanh"):
        raise refuse(node, f"expected approximate none or tanh, got {form!r}")
    return pointwise(node, scope, spread(_gelu_exact if form == "none" else _gelu_tanh), cheap=False)


def _gelu_exact(fn: Function, lanes: Lanes, x: Local) -> Expr:
    inner = erf(fn, lanes, lanes.mul(x, lanes.const(math.sqrt(0.5))))
    return lanes.mul(lanes.mul(lanes.const(0.5), x), lanes.add(lanes.const(1.0), inner))


def _gelu_tanh(fn: Function, lanes: Lanes, x: Local) -> Expr:
    cube = lanes.mul(lanes.mul(lanes.mul(x, x), x), lanes.const(0.044715))
    inner = tanh(fn, lanes, lanes.mul(lanes.const(math.sqrt(2 / math.pi)), lanes.add(x, cube)))
    return lanes.mul(lanes.mul(lanes.const(0.5), x), lanes.add(lanes.const(1.0), inner))


def _prelu(_fn: Function, lanes: Lanes, x: Local, slope: Local) -> Expr:
    return lanes.select(lanes.lt(x, lanes.const(0)), lanes.mul(x, slope), x)


RULES: Rules = {
    "Acos": _double(trigonometric.acos64),
    "Acosh": _double(trigonometric.acosh64),
    "Asin": _double(trigonometric.asin64),
    "Asinh": _double(trigonometric.asinh64),
    "Atan": _double(trigonometric.atan64),
    "Atanh": _double(trigonometric.atanh64),
    "Celu": _with(_celu, {"alpha": 1.0}),
    "Cos": _double(trigonometric.cos64),
    "Cosh": _double(trigonometric.cosh64),
    "Elu": _with(_elu, {"alpha": 1.0}),
    "Erf": simple(erf, FP32, cheap=False),
    "Exp": simple(exp, FP32, cheap=False),
    "Gelu": Rule(lower=_gelu, dtypes=FP32),
    "HardSigmoid": _with(hard_sigmoid, {"alpha": 0.2, "beta": 0.5}, cheap=True),
    "HardSwish": simple(_hard_swish, FP32),
    "LeakyRelu": _with(leaky_relu, {"alpha": 0.01}, cheap=True),
    "Log": simple(log, FP32, cheap=False),
    "Mish": simple(_mish, FP32, cheap=False),
    "PRelu": simple(_prelu, FP32),
    "Selu": _with(_selu, {"alpha": _SELU_ALPHA, "gamma": _SELU_GAMMA}),
    "Shrink": _with(_shrink, {"lambd": 0.5, "bias": 0.0}, cheap=True),
    "Sigmoid": simple(sigmoid, FP32, cheap=False),
    "Sin": _double(trigonometric.sin64),
    "Sinh": _double(trigonometric.sinh64),
    "Softplus": simple(softplus, FP32, cheap=False),
    "Softsign": simple(_softsign, FP32),
    "Swish": _with(_swish, {"alpha": 1.0}),
    "Tan": _double(trigonometric.tan64),
    "Tanh": simple(tanh, FP32, cheap=False),
    "ThresholdedRelu": _with(_thresholded, {"alpha": 1.0}, cheap=True),
}
