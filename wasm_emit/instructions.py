"""Every instruction that the compilers use, as typed functions: ``f32x4.mul(a, b)``, ``v128.load(ptr, offset=16)``.

``i32``, ``f32x4`` and the others are families; an instruction's operand and result types stand in the tables below, so
an ill-typed module cannot be built. Sources: WebAssembly core specification 2.0, section 3.3; SIMD proposal
(``proposals/simd/SIMD.md``); relaxed SIMD proposal (``proposals/relaxed-simd/Overview.md``).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import TypeAlias

from wasm_emit.types import F32, F64, I32, I64, V128, EmitError, Expr, Operand, ValType, as_i32

Instruction: TypeAlias = Callable[..., Expr]

MAX_OFFSET = (1 << 32) - 1
"""Largest offset of a memory operand (32-bit memories)."""

_INTEGER_BINARY = (
    "add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor", "shl", "shr_s", "shr_u", "rotl", "rotr",
)  # fmt: skip
_INTEGER_COMPARE = ("eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u")
_FLOAT_BINARY = ("add", "sub", "mul", "div", "min", "max", "copysign")
_FLOAT_UNARY = ("abs", "neg", "sqrt", "ceil", "floor", "trunc", "nearest")
_FLOAT_COMPARE = ("eq", "ne", "lt", "gt", "le", "ge")

_V, _VV, _VVV = (V128,), (V128, V128), (V128, V128, V128)
_LANES = {
    "i8x16": (I32, 16),
    "i16x8": (I32, 8),
    "i32x4": (I32, 4),
    "i64x2": (I64, 2),
    "f32x4": (F32, 4),
    "f64x2": (F64, 2),
}

_Signature: TypeAlias = tuple[tuple[ValType, ...], ValType]


def _scalar_table() -> dict[str, _Signature]:
    table: dict[str, _Signature] = {}
    for kind in (I32, I64):
        table |= {f"{kind}.{name}": ((kind, kind), kind) for name in _INTEGER_BINARY}
        table |= {f"{kind}.{name}": ((kind, kind), I32) for name in _INTEGER_COMPARE}
        table |= {f"{kind}.{name}": ((kind,), kind) for name in ("clz", "ctz", "popcnt", "extend8_s", "extend16_s")}
        table[f"{kind}.eqz"] = ((kind,), I32)
    for kind in (F32, F64):
        table |= {f"{kind}.{name}": ((kind, kind), kind) for name in _FLOAT_BINARY}
        table |= {f"{kind}.{name}": ((kind,), kind) for name in _FLOAT_UNARY}
        table |= {f"{kind}.{name}": ((kind, kind), I32) for name in _FLOAT_COMPARE}
    for to in (I32, I64):
        for source in (F32, F64):
            for sign in ("s", "u"):
                table[f"{to}.trunc_sat_{source}_{sign}"] = ((source,), to)
                table[f"{source}.convert_{to}_{sign}"] = ((to,), source)
    table |= {
        "i32.wrap_i64": ((I64,), I32),
        "i64.extend_i32_s": ((I32,), I64),
        "i64.extend_i32_u": ((I32,), I64),
        "i64.extend32_s": ((I64,), I64),
        "f32.demote_f64": ((F64,), F32),
        "f64.promote_f32": ((F32,), F64),
        "i32.reinterpret_f32": ((F32,), I32),
        "i64.reinterpret_f64": ((F64,), I64),
        "f32.reinterpret_i32": ((I32,), F32),
        "f64.reinterpret_i64": ((I64,), F64),
        "memory.copy": ((I32, I32, I32), I32),
        "memory.fill": ((I32, I32, I32), I32),
    }
    return table


def _vector_table() -> dict[str, _Signature]:
    table: dict[str, _Signature] = {
        f"v128.{name}": (_VV, V128) for name in ("and", "andnot", "or", "xor")
    }  # fmt: skip
    table |= {"v128.not": (_V, V128), "v128.bitselect": (_VVV, V128), "v128.any_true": (_V, I32)}
    for shape, (lane, _) in _LANES.items():
        table[f"{shape}.splat"] = ((lane,), V128)
    for shape in ("i8x16", "i16x8", "i32x4", "i64x2"):
        table |= {f"{shape}.{name}": (_VV, V128) for name in ("add", "sub", "eq", "ne")}
        table |= {f"{shape}.{name}_s": (_VV, V128) for name in ("lt", "gt", "le", "ge")}
        table |= {f"{shape}.{name}": (_V, V128) for name in ("abs", "neg")}
        table |= {f"{shape}.{name}": ((V128, I32), V128) for name in ("shl", "shr_s", "shr_u")}
        table |= {f"{shape}.{name}": (_V, I32) for name in ("all_true", "bitmask")}
    for shape in ("i8x16", "i16x8", "i32x4"):
        table |= {f"{shape}.{name}_u": (_VV, V128) for name in ("lt", "gt", "le", "ge")}
        table |= {f"{shape}.{name}": (_VV, V128) for name in ("min_s", "min_u", "max_s", "max_u")}
    for shape in ("i8x16", "i16x8"):
        table |= {
            f"{shape}.{name}": (_VV, V128) for name in ("add_sat_s", "add_sat_u", "sub_sat_s", "sub_sat_u", "avgr_u")
        }
    for shape in ("i16x8", "i32x4", "i64x2"):
        table[f"{shape}.mul"] = (_VV, V128)
    for wide, narrow in (("i16x8", "i8x16"), ("i32x4", "i16x8"), ("i64x2", "i32x4")):
        for sign in ("s", "u"):
            for half in ("low", "high"):
                table[f"{wide}.extend_{half}_{narrow}_{sign}"] = (_V, V128)
                table[f"{wide}.extmul_{half}_{narrow}_{sign}"] = (_VV, V128)
            if wide != "i64x2":
                table[f"{wide}.extadd_pairwise_{narrow}_{sign}"] = (_V, V128)
                table[f"{narrow}.narrow_{wide}_{sign}"] = (_VV, V128)
    for shape in ("f32x4", "f64x2"):
        table |= {
            f"{shape}.{name}": (_VV, V128)
            for name in (*_FLOAT_COMPARE, "add", "sub", "mul", "div", "min", "max", "pmin", "pmax")
        }
        table |= {f"{shape}.{name}": (_V, V128) for name in _FLOAT_UNARY}
        table |= {f"{shape}.relaxed_{name}": (_VVV, V128) for name in ("madd", "nmadd")}
    table |= {
        "i8x16.swizzle": (_VV, V128),
        "i8x16.popcnt": (_V, V128),
        "i16x8.q15mulr_sat_s": (_VV, V128),
        "i32x4.dot_i16x8_s": (_VV, V128),
        "i32x4.trunc_sat_f32x4_s": (_V, V128),
        "i32x4.trunc_sat_f32x4_u": (_V, V128),
        "i32x4.trunc_sat_f64x2_s_zero": (_V, V128),
        "i32x4.trunc_sat_f64x2_u_zero": (_V, V128),
        "f32x4.convert_i32x4_s": (_V, V128),
        "f32x4.convert_i32x4_u": (_V, V128),
        "f32x4.demote_f64x2_zero": (_V, V128),
        "f64x2.convert_low_i32x4_s": (_V, V128),
        "f64x2.convert_low_i32x4_u": (_V, V128),
        "f64x2.promote_low_f32x4": (_V, V128),
        "i16x8.relaxed_dot_i8x16_i7x16_s": (_VV, V128),
        "i32x4.relaxed_dot_i8x16_i7x16_add_s": (_VVV, V128),
        "i8x16.relaxed_swizzle": (_VV, V128),
        "i32x4.relaxed_trunc_f32x4_s": (_V, V128),
    }
    return table


_TABLE = _scalar_table() | _vector_table()
_NO_RESULT = frozenset({"memory.copy", "memory.fill"})

_LOADS: dict[str, tuple[ValType, int]] = {
    "i32.load": (I32, 4), "i32.load8_s": (I32, 1), "i32.load8_u": (I32, 1), "i32.load16_s": (I32, 2), "i32.load16_u": (I32, 2),
    "i64.load": (I64, 8), "i64.load8_s": (I64, 1), "i64.load8_u": (I64, 1), "i64.load16_s": (I64, 2), "i64.load16_u": (I64, 2),
    "i64.load32_s": (I64, 4), "i64.load32_u": (I64, 4),
    "f32.load": (F32, 4), "f64.load": (F64, 8), "v128.load": (V128, 16),
    "v128.load8x8_s": (V128, 8), "v128.load8x8_u": (V128, 8), "v128.load16x4_s": (V128, 8), "v128.load16x4_u": (V128, 8),
    "v128.load32x2_s": (V128, 8), "v128.load32x2_u": (V128, 8),
    "v128.load8_splat": (V128, 1), "v128.load16_splat": (V128, 2), "v128.load32_splat": (V128, 4), "v128.load64_splat": (V128, 8),
    "v128.load32_zero": (V128, 4), "v128.load64_zero": (V128, 8),
}  # fmt: skip
_STORES: dict[str, tuple[ValType, int]] = {
    "i32.store": (I32, 4), "i32.store8": (I32, 1), "i32.store16": (I32, 2),
    "i64.store": (I64, 8), "i64.store8": (I64, 1), "i64.store16": (I64, 2), "i64.store32": (I64, 4),
    "f32.store": (F32, 4), "f64.store": (F64, 8), "v128.store": (V128, 16),
}  # fmt: skip
_LANE_MEMORY = {"load8_lane": 1, "load16_lane": 2, "load32_lane": 4, "load64_lane": 8,
                "store8_lane": 1, "store16_lane": 2, "store32_lane": 4, "store64_lane": 8}  # fmt: skip


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
i8x16, i16x8, i32x4, i64x2, f32x4, f64x2 = (Family(name) for name in _LANES)


def select(when_true: Expr, when_false: Expr, condition: Expr) -> Expr:
    """``select``: both sides are evaluated."""
    _expect("select", (when_false, condition), (_typed(when_true), I32))
    return Expr(when_true.type, f"(select {when_true.text} {when_false.text} {condition.text})")


def shuffle(left: Expr, right: Expr, lanes: Sequence[int]) -> Expr:
    """``i8x16.shuffle`` with 16 byte indices below 32."""
    if len(lanes) != 16 or not all(0 <= lane < 32 for lane in lanes):  # noqa: PLR2004 - bytes of one and two vectors
        raise EmitError(f"i8x16.shuffle: expected 16 indices from 0 to 31, got {list(lanes)}")
    _expect("i8x16.shuffle", (left, right), _VV)
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
    count = _LANES[shape][1]
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
    if full in _LOADS:
        return _load(full, *_LOADS[full])
    if full in _STORES:
        return _store(full, *_STORES[full])
    if full in _TABLE:
        return _plain(full, *_TABLE[full])
    if name == "const":
        return {"i32": as_i32, "i64": i64_const, "f32": f32_const, "f64": f64_const, "v128": v128_const}.get(prefix)
    if prefix == "v128" and name in _LANE_MEMORY:
        return _lane_memory(full, _LANE_MEMORY[name])
    if prefix in _LANES and name.startswith(("extract_lane", "replace_lane")):
        return _lane(full, *_LANES[prefix])
    return None


def _plain(full: str, operands: tuple[ValType, ...], result: ValType) -> Instruction:
    kind = None if full in _NO_RESULT else result

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
        _expect(full, values, (V128, lane_type) if replaces else _V)
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
    return value.hex()
