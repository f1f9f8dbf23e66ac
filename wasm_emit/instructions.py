"""Every instruction that the compilers use, as typed functions: ``f32x4.mul(a, b)``, ``v128.load(ptr, offset=16)``.

``i32``, ``f32x4`` and the others are families; an instruction's operand and result types stand in ``signatures.py``, so
an ill-typed module cannot be built.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import TypeAlias

from wasm_emit.signatures import LANE_MEMORY, LANES, LOADS, PLAIN, STORES, WITHOUT_RESULT
from wasm_emit.types import F32, F64, I32, I64, V128, EmitError, Expr, Operand, ValType, as_i32

Instruction: TypeAlias = Callable[..., Expr]

MAX_OFFSET = (1 << 32) - 1
"""Largest offset of a memory operand (32-bit memories)."""


class Family:
    """The instructions with one prefix; attributes are functions from operands to ``Expr``.

    Raises ``EmitError`` when operands have the wrong type or number, and ``AttributeError`` for an unknown name.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __getattr__(self, name: str) -> Instruction:
        full = f"{self._prefix}.{name.rstrip('_')}"
        made = _make(full)
        if made is None:
            raise AttributeError(f"no instruction {full!r}")
        setattr(self, name, made)
        return made


i32, i64, f32, f64, v128, memory = (Family(name) for name in ("i32", "i64", "f32", "f64", "v128", "memory"))
i8x16, i16x8, i32x4, i64x2, f32x4, f64x2 = (Family(name) for name in LANES)


def select(when_true: Expr, when_false: Expr, condition: Expr) -> Expr:
    """``select``: both sides are evaluated."""
    _expect("select", (when_false, condition), (_typed(when_true), I32))
    return Expr(when_true.type, f"(select {when_true.text} {when_false.text} {condition.text})")


def shuffle(left: Expr, right: Expr, lanes: Sequence[int]) -> Expr:
    """``i8x16.shuffle`` with 16 byte indices below 32."""
    if len(lanes) != 16 or not all(0 <= lane < 32 for lane in lanes):  # noqa: PLR2004 - bytes of one and two vectors
        raise EmitError(f"i8x16.shuffle: expected 16 indices from 0 to 31, got {list(lanes)}")
    _expect("i8x16.shuffle", (left, right), (V128, V128))
    return Expr(V128, f"(i8x16.shuffle {' '.join(map(str, lanes))} {left.text} {right.text})")


def f32_const(value: float) -> Expr:
    """The nearest float32, written in hexadecimal so that no bit is lost."""
    return Expr(F32, f"(f32.const {_float_text(struct.unpack('<f', struct.pack('<f', value))[0])})")


def f64_const(value: float) -> Expr:
    """A float64, written in hexadecimal."""
    return Expr(F64, f"(f64.const {_float_text(value)})")


def i64_const(value: int) -> Expr:
    """A 64-bit integer."""
    return Expr(I64, f"(i64.const {value})")


def v128_const(shape: str, *lanes: float) -> Expr:
    """A vector: ``v128_const("i32x4", 1, 2, 3, 4)``; one lane alone fills all."""
    count = LANES[shape][1]
    values = lanes * count if len(lanes) == 1 else lanes
    if len(values) != count:
        raise EmitError(f"v128.const {shape}: expected {count} lanes, got {len(values)}")
    if shape == "f32x4":
        words = [_float_text(struct.unpack("<f", struct.pack("<f", value))[0]) for value in values]
    elif shape == "f64x2":
        words = [_float_text(value) for value in values]
    else:
        words = [str(int(value)) for value in values]
    return Expr(V128, f"(v128.const {shape} {' '.join(words)})")


def _make(full: str) -> Instruction | None:
    prefix, _, name = full.partition(".")
    if full in PLAIN:
        return _plain(full, *PLAIN[full])
    if prefix in LANES and name.startswith(("extract_lane", "replace_lane")):
        return _lane(full, *LANES[prefix])
    return _make_access(full, name)


def _make_access(full: str, name: str) -> Instruction | None:
    """A load or store."""
    if full in LOADS:
        return _load(full, *LOADS[full])
    if full in STORES:
        return _store(full, *STORES[full])
    return _lane_memory(full, LANE_MEMORY[name]) if full == f"v128.{name}" and name in LANE_MEMORY else None


def _plain(full: str, operands: tuple[ValType, ...], result: ValType) -> Instruction:
    kind = None if full in WITHOUT_RESULT else result

    def build(*given: Operand) -> Expr:
        values = tuple(as_i32(value) for value in given)
        _expect(full, values, operands)
        return Expr(kind, f"({full} {' '.join(value.text for value in values)})")

    return build


def _load(full: str, result: ValType, width: int) -> Instruction:
    def build(pointer: Operand, *, offset: int = 0) -> Expr:
        address = as_i32(pointer)
        _expect(full, (address,), (I32,))
        return Expr(result, f"({full}{_memarg(full, offset)} {address.text})")

    build.__doc__ = f"{width} bytes at ``pointer + offset``"
    return build


def _store(full: str, operand: ValType, width: int) -> Instruction:
    def build(pointer: Operand, value: Operand, *, offset: int = 0) -> Expr:
        address, stored = as_i32(pointer), as_i32(value)
        _expect(full, (address, stored), (I32, operand))
        return Expr(None, f"({full}{_memarg(full, offset)} {address.text} {stored.text})")

    build.__doc__ = f"{width} bytes at ``pointer + offset``"
    return build


def _lane_memory(full: str, width: int) -> Instruction:
    kind = V128 if "load" in full else None

    def build(pointer: Operand, vector: Expr, lane: int, *, offset: int = 0) -> Expr:
        address = as_i32(pointer)
        _expect(full, (address, vector), (I32, V128))
        if not 0 <= lane < 16 // width:
            raise EmitError(f"{full}: expected a lane below {16 // width}, got {lane}")
        return Expr(kind, f"({full}{_memarg(full, offset)} {lane} {address.text} {vector.text})")

    return build


def _lane(full: str, lane_type: ValType, count: int) -> Instruction:
    replaces = "replace" in full

    def build(vector: Expr, lane: int, *value: Operand) -> Expr:
        values = (vector, *(as_i32(item) for item in value))
        _expect(full, values, (V128, lane_type) if replaces else (V128,))
        if not 0 <= lane < count:
            raise EmitError(f"{full}: expected a lane below {count}, got {lane}")
        kind = V128 if replaces else lane_type
        return Expr(kind, f"({full} {lane} {' '.join(item.text for item in values)})")

    return build


def _memarg(full: str, offset: int) -> str:
    if not 0 <= offset <= MAX_OFFSET:
        raise EmitError(f"{full}: expected an offset from 0 to {MAX_OFFSET}, got {offset}")
    return f" offset={offset}" if offset else ""


def _expect(full: str, values: Sequence[Expr], types: Sequence[ValType | None]) -> None:
    got = [value.type for value in values]
    if got != list(types):
        raise EmitError(f"{full}: expected operands {_words(types)}, got {_words(got)}")


def _typed(value: Expr) -> ValType:
    if value.type is None:
        raise EmitError("expected a value, got an instruction that gives none")
    return value.type


def _words(types: Sequence[ValType | None]) -> str:
    return " ".join(str(kind) for kind in types) or "none"


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(value).hex()
