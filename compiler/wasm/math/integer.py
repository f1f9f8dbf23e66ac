"""Division, remainder and powers of integers as scalars, where no input traps the module.

A quotient or remainder by 0 is 0 (numpy's answer; ONNX leaves it open); the lowest integer by -1 wraps around.
"""

from __future__ import annotations

from compiler.wasm.numerics.lanes import Lanes
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, select
from wasm_emit.types import I32, Expr


def quotient(fn: Function, lanes: Lanes, a: Local, b: Local) -> Expr:
    """``a / b`` towards zero."""
    divisor = _divisor(fn, lanes, b)
    whole = lanes.family.div_s(a, divisor) if lanes.signed else lanes.family.div_u(a, divisor)
    if lanes.signed:
        whole = select(lanes.neg(a), whole, lanes.eq(b, lanes.const(-1)))
    return select(lanes.const(0), whole, lanes.eq(b, lanes.const(0)))


def remainder(fn: Function, lanes: Lanes, a: Local, b: Local) -> Expr:
    """``a - b * trunc(a / b)``: the sign is ``a``'s, as C's ``%`` has it."""
    divisor = _divisor(fn, lanes, b)
    rest = lanes.family.rem_s(a, divisor) if lanes.signed else lanes.family.rem_u(a, divisor)
    return select(lanes.const(0), rest, lanes.eq(b, lanes.const(0)))


def modulo(fn: Function, lanes: Lanes, a: Local, b: Local) -> Expr:
    """The remainder with the sign of ``b``, as Python's ``%`` has it."""
    if not lanes.signed:
        return remainder(fn, lanes, a, b)
    zero = lanes.const(0)
    rest = fn.new(remainder(fn, lanes, a, b), "rest")
    apart = lanes.lt(lanes.xor(rest, b), zero)
    return select(lanes.add(rest, b), rest, i32.and_(lanes.ne(rest, zero), apart))


def power(fn: Function, lanes: Lanes, a: Local, b: Local) -> Expr:
    """``a`` to the ``b``, wrapping around; for ``b < 0`` the exact power cut towards zero, and 0 for ``a`` = 0."""
    one = lanes.const(1)
    result, base, left = fn.new(one, "power"), fn.new(a, "base"), fn.new(b, "left")
    if lanes.signed:
        # Below 0 an exponent leaves 1 as it is, and -1 by its parity; every other power is cut to 0.
        parity = lanes.and_(b, one)
        unit = fn.new(lanes.eq(lanes.abs(a), one), "unit")
        keep = select(parity, lanes.const(0), unit)
        negative = fn.new(lanes.lt(b, lanes.const(0)), "negative")
        fn.set(result, select(select(one, lanes.const(0), unit), one, negative))
        fn.set(left, select(keep, b, negative))
    with fn.block("done") as done, fn.loop("bits") as bits:
        fn.br(done, lanes.eq(left, lanes.const(0)))
        odd = _as_condition(lanes.and_(left, one))
        fn.set(result, select(lanes.mul(result, base), result, odd))
        fn.set(base, lanes.mul(base, base))
        fn.set(left, lanes.family.shr_u(left, one))
        fn.br(bits)
    return result


def _divisor(fn: Function, lanes: Lanes, b: Local) -> Local:
    """``b``, or 1 where dividing by it would trap."""
    bad = lanes.eq(b, lanes.const(0))
    if lanes.signed:
        bad = i32.or_(bad, lanes.eq(b, lanes.const(-1)))
    return fn.new(select(lanes.const(1), b, bad), "divisor")


def _as_condition(value: Expr) -> Expr:
    return value if value.type is I32 else i32.wrap_i64(value)
