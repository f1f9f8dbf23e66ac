"""``Pow``: constant exponents that are products, integers by squaring, the rest in float64."""

from __future__ import annotations

import numpy as np

from compiler.ir.graph import Node
from compiler.wasm.math.double import F64, pow64
from compiler.wasm.math.integer import power
from compiler.wasm.numerics.convert import convert
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.dtypes import INTEGERS, NUMBERS
from compiler.wasm.ops.pointwise import Code, pointwise, spread
from compiler.wasm.ops.rule import Rule, Rules, Scope
from compiler.wasm.step import Step
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

_PRODUCTS: dict[float, Code] = {
    1.0: lambda _fn, _lanes, x: x,
    2.0: lambda _fn, lanes, x: lanes.mul(x, x),
    3.0: lambda _fn, lanes, x: lanes.mul(lanes.mul(x, x), x),
    -1.0: lambda _fn, lanes, x: lanes.div(lanes.const(1.0), x),
}
"""Exponents whose powers take one or two operations."""


def _pow(node: Node, scope: Scope) -> Step:
    base, exponent = (scope.type_of(node.input(index)) for index in (0, 1))
    out = scope.type_of(node.output)
    product = _PRODUCTS.get(_constant(node, scope))
    if product is not None and base == out and out.dtype is DType.FP32:
        return pointwise(node, scope, spread(product), reads=[node.input(0)])
    wide = DType.INT64 if out.dtype.itemsize == 8 else DType.INT32  # noqa: PLR2004 - bytes
    integers = base.dtype in INTEGERS and exponent.dtype in INTEGERS

    def by_squaring(fn: Function, lanes: Lanes, x: Local, y: Local) -> Expr:
        return power(fn, lanes, x, fn.new(convert(lanes.of(exponent.dtype), lanes.of(wide), y), "y"))

    def in_double(fn: Function, lanes: Lanes, x: Local, y: Local) -> Expr:
        values = [
            fn.new(convert(lanes.of(dtype), F64, value), "wide")
            for value, dtype in ((x, base.dtype), (y, exponent.dtype))
        ]
        return convert(F64, lanes, fn.new(pow64(fn, *values), "power"))

    return pointwise(node, scope, spread(by_squaring if integers else in_double), vector=False, cheap=False)


def _constant(node: Node, scope: Scope) -> float:
    """The exponent if it is one known number, else NaN."""
    known = scope.constant(node.input(1))
    return float(np.ravel(known)[0]) if known is not None and known.size == 1 else float("nan")


RULES: Rules = {
    "Pow": Rule(lower=_pow, dtypes=NUMBERS, note="integers wrap around; the result of 0 to a negative power is 0"),
}
