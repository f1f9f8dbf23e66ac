"""Value types and typed expressions (WebAssembly core specification 2.0, section 2.3; text format, section 6)."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TypeAlias


class ValType(enum.StrEnum):
    """What a local, a parameter or an expression holds."""

    I32 = "i32"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    V128 = "v128"


I32, I64, F32, F64, V128 = ValType.I32, ValType.I64, ValType.F32, ValType.F64, ValType.V128

_I32_CONST = re.compile(r"\(i32\.const (-?\d+)\)")


class EmitError(ValueError):
    """A builder was given something that no module can hold: a fault of the caller, never of its input."""


@dataclass(frozen=True, slots=True)
class Expr:
    """A folded instruction with its result type; ``None`` for one that leaves nothing on the stack.

    For ``i32`` the Python operators ``+``, ``-`` and ``*`` take another ``i32`` or an integer, and fold constants.
    """

    type: ValType | None
    text: str

    @property
    def constant(self) -> int | None:
        """The value of an ``i32.const``, else ``None``."""
        found = _I32_CONST.fullmatch(self.text)
        return int(found[1]) if found else None

    def __add__(self, other: Operand) -> Expr:
        right = as_i32(other)
        if self.constant is not None and right.constant is not None:
            return as_i32(self.constant + right.constant)
        if right.constant == 0:
            return self
        if self.constant == 0:
            return right
        return _binary("i32.add", self, right)

    def __sub__(self, other: Operand) -> Expr:
        right = as_i32(other)
        if self.constant is not None and right.constant is not None:
            return as_i32(self.constant - right.constant)
        return self if right.constant == 0 else _binary("i32.sub", self, right)

    def __mul__(self, other: Operand) -> Expr:
        right = as_i32(other)
        if self.constant is not None and right.constant is not None:
            return as_i32(self.constant * right.constant)
        if right.constant == 1:
            return self
        if right.constant == 0:
            return right
        return _binary("i32.mul", self, right)


Operand: TypeAlias = Expr | int


def as_i32(value: Operand) -> Expr:
    """An integer as ``i32.const``; an expression as it is.

    Raises ``EmitError`` for an integer that 32 bits cannot hold.
    """
    if isinstance(value, Expr):
        return value
    if not -(1 << 31) <= value < 1 << 32:
        raise EmitError(f"expected an integer of 32 bits, got {value}")
    return Expr(I32, f"(i32.const {value if value < 1 << 31 else value - (1 << 32)})")


def _binary(name: str, left: Expr, right: Expr) -> Expr:
    for side in (left, right):
        if side.type is not I32:
            raise EmitError(f"{name}: expected i32 operands, got {side.type}")
    return Expr(I32, f"({name} {left.text} {right.text})")
