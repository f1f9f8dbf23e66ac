"""Arithmetic by elements: sums, products, extremes, rounding, clipping."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.ir.graph import Node
from compiler.wasm.math.double import remainder64
from compiler.wasm.math.integer import modulo, quotient, remainder
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.dtypes import FP32, INTEGERS, NUMBERS
from compiler.wasm.ops.pointwise import Code, pointwise, simple, spread
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32, f64
from wasm_emit.types import Expr


def _div(node: Node, scope: Scope) -> Step:
    if scope.type_of(node.output).dtype is DType.FP32:
        return pointwise(node, scope, spread(lambda _, lanes, a, b: lanes.div(a, b)))
    return pointwise(node, scope, spread(quotient), vector=False, cheap=False)


def _mod(node: Node, scope: Scope) -> Step:
    """``fmod=1``: the sign of the dividend (C); else that of the divisor (integers only)."""
    as_c = bool(node.attrs.get("fmod", 0))
    if scope.type_of(node.output).dtype in INTEGERS:
        return pointwise(node, scope, spread(remainder if as_c else modulo), vector=False, cheap=False)
    if not as_c:
        raise refuse(node, "floats need fmod=1")
    return pointwise(node, scope, spread(_float_remainder), vector=False, cheap=False)


def _float_remainder(fn: Function, _: Lanes, a: Local, b: Local) -> Expr:
    return f32.demote_f64(remainder64(fn, f64.promote_f32(a), f64.promote_f32(b)))


def _variadic(code: Code, *, mean: bool = False) -> Rule:
    """Fold any number of inputs; ``mean`` divides by their number."""

    def lower(node: Node, scope: Scope) -> Step:
        def body(fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
            total = values[0]
            for value in values[1:]:
                total = fn.new(code(fn, lanes, total, value), "total")
            return lanes.div(total, lanes.const(len(values))) if mean else total

        return pointwise(node, scope, body)

    return Rule(lower=lower, dtypes=FP32 if mean else NUMBERS)


def _clip(node: Node, scope: Scope) -> Step:
    """``min(max(x, low), high)``: NaN stays, and ``high`` wins where the limits cross.

    "They default to numeric_limits::lowest() and numeric_limits::max()": so infinities are clipped without limits too.
    """
    limits: dict[int, float] = {1: -_GREATEST, 2: _GREATEST} if scope.type_of(node.output).dtype is DType.FP32 else {}
    reads = [node.input(0)]
    for place in (1, 2):
        known = scope.constant(node.input(place))
        if known is not None:
            limits[place] = np.ravel(known)[0].item()
        elif node.input(place):
            reads.append(node.input(place))
            limits.pop(place, None)

    def body(fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
        value, *given = values
        for place, least, most in ((1, lanes.pmax, lanes.max), (2, lanes.pmin, lanes.min)):
            if place in limits or node.input(place):
                limit = lanes.const(limits[place]) if place in limits else given.pop(0)
                value = fn.new((least if lanes.is_float else most)(value, limit), "held")
        return value

    return pointwise(node, scope, body, reads=reads)


def _relu(_fn: Function, lanes: Lanes, x: Local) -> Expr:
    return lanes.pmax(x, lanes.const(0)) if lanes.is_float else lanes.max(x, lanes.const(0))


def _sign(fn: Function, lanes: Lanes, x: Local) -> Expr:
    zero = lanes.const(0)
    if not lanes.signed:
        return lanes.select(lanes.eq(x, zero), zero, lanes.const(1))
    negative = fn.new(lanes.select(lanes.lt(x, zero), lanes.const(-1), x), "sign")
    return lanes.select(lanes.gt(x, zero), lanes.const(1), negative)


def _abs(_fn: Function, lanes: Lanes, x: Local) -> Expr:
    return lanes.abs(x) if lanes.signed else x


def _rounding(how: str) -> Rule:
    return simple(lambda _, lanes, x: lanes.round(how, x), FP32)


_GREATEST = float(np.finfo(np.float32).max)
_BY_ZERO = "integers: x / 0 is 0, the lowest one by -1 wraps around"

RULES: Rules = {
    "Abs": simple(_abs, NUMBERS),
    "Add": simple(lambda _, lanes, a, b: lanes.add(a, b), NUMBERS),
    "Ceil": _rounding("ceil"),
    "Clip": Rule(lower=_clip, dtypes=NUMBERS),
    "Div": Rule(lower=_div, dtypes=NUMBERS, note=_BY_ZERO),
    "Floor": _rounding("floor"),
    "Max": _variadic(lambda _, lanes, a, b: lanes.max(a, b)),
    "Mean": _variadic(lambda _, lanes, a, b: lanes.add(a, b), mean=True),
    "Min": _variadic(lambda _, lanes, a, b: lanes.min(a, b)),
    "Mod": Rule(lower=_mod, dtypes=INTEGERS | FP32, note="floats with fmod=1; integers: x mod 0 is 0"),
    "Mul": simple(lambda _, lanes, a, b: lanes.mul(a, b), NUMBERS),
    "Neg": simple(lambda _, lanes, x: lanes.neg(x), NUMBERS),
    "Reciprocal": simple(lambda _, lanes, x: lanes.div(lanes.const(1), x), FP32),
    "Relu": simple(_relu, NUMBERS),
    "Round": _rounding("nearest"),
    "Sign": simple(_sign, NUMBERS),
    "Sqrt": simple(lambda _, lanes, x: lanes.sqrt(x), FP32),
    "Sub": simple(lambda _, lanes, a, b: lanes.sub(a, b), NUMBERS),
    "Sum": _variadic(lambda _, lanes, a, b: lanes.add(a, b)),
}
