"""Polynomials by Horner's rule, in lanes."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.wasm.lanes import Lanes
from wasm_emit.function import Local
from wasm_emit.types import Expr


def horner(lanes: Lanes, x: Local, coefficients: Sequence[float]) -> Expr:
    """``c[0] x^n + c[1] x^(n-1) + ... + c[n]``: multiplication and addition, each rounded."""
    value = lanes.const(coefficients[0])
    for coefficient in coefficients[1:]:
        value = lanes.add(lanes.mul(value, x), lanes.const(coefficient))
    return value
