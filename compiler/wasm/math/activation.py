"""What a tuned kernel applies to a result that is still in a register: ``specs.Activation`` as code."""

from __future__ import annotations

from collections.abc import Callable

from compiler.wasm.math.polynomial import as_local
from compiler.wasm.math.sigmoidal import sigmoid, silu, tanh
from compiler.wasm.numerics.lanes import F32X4, Lanes
from compiler.wasm.specs import Activation, ActivationKind
from wasm_emit.function import Function
from wasm_emit.types import Expr


def activation(fn: Function, spec: Activation, x: Expr, lanes: Lanes = F32X4) -> Expr:
    """``x`` with the activation applied, four float32 or one. NaN stays NaN."""
    return _CODE[spec.kind](fn, lanes, x, spec)


def leaky_relu(fn: Function, lanes: Lanes, x: Expr, alpha: float) -> Expr:
    """``x`` where it is not negative, else ``alpha * x``."""
    given = as_local(fn, x)
    return lanes.select(lanes.lt(given, lanes.const(0.0)), lanes.mul(given, lanes.const(alpha)), given)


def hard_sigmoid(fn: Function, lanes: Lanes, x: Expr, alpha: float, beta: float) -> Expr:
    """``alpha * x + beta``, held between 0 and 1."""
    line = fn.new(lanes.add(lanes.mul(x, lanes.const(alpha)), lanes.const(beta)), "line")
    low = fn.new(lanes.pmax(line, lanes.const(0.0)), "low")
    return lanes.pmin(low, lanes.const(1.0))


def _relu(fn: Function, lanes: Lanes, x: Expr, _: Activation) -> Expr:
    return lanes.pmax(as_local(fn, x), lanes.const(0.0))


def _clip(fn: Function, lanes: Lanes, x: Expr, spec: Activation) -> Expr:
    low = fn.new(lanes.pmax(as_local(fn, x), lanes.const(spec.a)), "low")
    return lanes.pmin(low, lanes.const(spec.b))


def _hard_swish(fn: Function, lanes: Lanes, x: Expr, _: Activation) -> Expr:
    given = as_local(fn, x)
    return lanes.mul(given, hard_sigmoid(fn, lanes, given, 1 / 6, 0.5))


_CODE: dict[ActivationKind, Callable[[Function, Lanes, Expr, Activation], Expr]] = {
    ActivationKind.NONE: lambda _fn, _lanes, x, _: x,
    ActivationKind.RELU: _relu,
    ActivationKind.CLIP: _clip,
    ActivationKind.LEAKY_RELU: lambda fn, lanes, x, spec: leaky_relu(fn, lanes, x, spec.a),
    ActivationKind.SIGMOID: lambda fn, lanes, x, _: sigmoid(fn, lanes, x),
    ActivationKind.TANH: lambda fn, lanes, x, _: tanh(fn, lanes, x),
    ActivationKind.SILU: lambda fn, lanes, x, _: silu(fn, lanes, x),
    ActivationKind.HARD_SIGMOID: lambda fn, lanes, x, spec: hard_sigmoid(fn, lanes, x, spec.a, spec.b),
    ActivationKind.HARD_SWISH: _hard_swish,
}
