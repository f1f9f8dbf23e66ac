"""Polynomials by Horner's rule, and the locals that their arguments stand in."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.wasm.lanes import Lanes
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr


def horner(lanes: Lanes, x: Local, coefficients: Sequence[float]) -> Expr:
    """``c[0] x^n + c[1] x^(n-1) + ... + c[n]``: multiplication and addition, each rounded."""
    value = lanes.const(coefficients[0])
    for coefficient in coefficients[1:]:
        value = lanes.add(lanes.mul(value, x), lanes.const(coefficient))
    return value


def as_local(fn: Function, value: Expr) -> Local:
    """The value as a local, so that it may be used more than once."""
    return value if isinstance(value, Local) else fn.new(value, "x")
