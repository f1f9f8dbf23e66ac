"""Comparisons, logic, bits, and selection."""

from __future__ import annotations

import math
from collections.abc import Callable

from compiler.ir.graph import Node
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.dtypes import BOOL, FP32, INTEGERS, NUMBERS, UNSIGNED
from compiler.wasm.ops.pointwise import pointwise, simple, spread
from compiler.wasm.ops.rule import Rule, Rules, Scope
from compiler.wasm.step import Step
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr


def _is_inf(node: Node, scope: Scope) -> Step:
    negative, positive = (bool(node.attrs.get(f"detect_{sign}", 1)) for sign in ("negative", "positive"))

    def body(_fn: Function, lanes: Lanes, x: Local) -> Expr:
        infinity = lanes.const(math.inf)
        if negative and positive:
            return lanes.eq(lanes.abs(x), infinity)
        if positive:
            return lanes.eq(x, infinity)
        return lanes.eq(x, lanes.const(-math.inf)) if negative else lanes.of(DType.BOOL).const(0)

    return pointwise(node, scope, spread(body))


def _where(node: Node, scope: Scope) -> Step:
    dtype = scope.type_of(node.output).dtype
    return pointwise(node, scope, spread(lambda _, lanes, mask, a, b: lanes.of(dtype).select(mask, a, b)))


def _bit_shift(node: Node, scope: Scope) -> Step:
    left = node.attrs["direction"] == "LEFT"
    bits = scope.type_of(node.output).dtype.itemsize * 8

    def body(_fn: Function, lanes: Lanes, x: Local, count: Local) -> Expr:
        moved = lanes.family.shl(x, count) if left else lanes.family.shr_u(x, count)
        return lanes.select(lanes.lt(count, lanes.const(bits)), moved, lanes.const(0))

    return pointwise(node, scope, spread(body), vector=False)


def _mask(code: Callable[[Lanes, Expr, Expr], Expr], dtypes: frozenset[DType]) -> Rule:
    return simple(lambda _, lanes, a, b: code(lanes, a, b), dtypes)


_ANY = NUMBERS | BOOL

RULES: Rules = {
    "And": _mask(Lanes.both, BOOL),
    "BitShift": Rule(lower=_bit_shift, dtypes=UNSIGNED, note="a shift by all bits or more gives 0"),
    "BitwiseAnd": _mask(Lanes.and_, INTEGERS),
    "BitwiseNot": simple(lambda _, lanes, x: lanes.not_(x), INTEGERS),
    "BitwiseOr": _mask(Lanes.or_, INTEGERS),
    "BitwiseXor": _mask(Lanes.xor, INTEGERS),
    "Equal": _mask(Lanes.eq, _ANY),
    "Greater": _mask(Lanes.gt, NUMBERS),
    "GreaterOrEqual": _mask(Lanes.ge, NUMBERS),
    "IsInf": Rule(lower=_is_inf, dtypes=FP32),
    "IsNaN": simple(lambda _, lanes, x: lanes.ne(x, x), FP32),
    "Less": _mask(Lanes.lt, NUMBERS),
    "LessOrEqual": _mask(Lanes.le, NUMBERS),
    "Not": simple(lambda _, lanes, x: lanes.invert(x), BOOL),
    "Or": _mask(Lanes.either, BOOL),
    "Where": Rule(lower=_where, dtypes=BOOL),
    "Xor": _mask(Lanes.differ, BOOL),
}
