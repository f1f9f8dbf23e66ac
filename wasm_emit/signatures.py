"""What every instruction takes and gives: the tables behind ``wasm_emit/instructions.py``.

Sources: WebAssembly core specification 2.0, section 3.3; SIMD proposal (``proposals/simd/SIMD.md``); relaxed SIMD
proposal (``proposals/relaxed-simd/Overview.md``).
"""

from __future__ import annotations

from typing import TypeAlias

from wasm_emit.types import F32, F64, I32, I64, V128, ValType

_INTEGER_BINARY = (
    "add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor", "shl", "shr_s", "shr_u",
    "rotl", "rotr",
)  # fmt: skip
_INTEGER_COMPARE = ("eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u")
_FLOAT_BINARY = ("add", "sub", "mul", "div", "min", "max", "copysign")
_FLOAT_UNARY = ("abs", "neg", "sqrt", "ceil", "floor", "trunc", "nearest")
_FLOAT_COMPARE = ("eq", "ne", "lt", "gt", "le", "ge")

_V, _VV, _VVV = (V128,), (V128, V128), (V128, V128, V128)
LANES: dict[str, tuple[ValType, int]] = {
    "i8x16": (I32, 16),
    "i16x8": (I32, 8),
    "i32x4": (I32, 4),
    "i64x2": (I64, 2),
    "f32x4": (F32, 4),
    "f64x2": (F64, 2),
}

Signature: TypeAlias = tuple[tuple[ValType, ...], ValType]


def _scalar_table() -> dict[str, Signature]:
    table: dict[str, Signature] = {}
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


def _vector_table() -> dict[str, Signature]:
    table: dict[str, Signature] = {
        f"v128.{name}": (_VV, V128) for name in ("and", "andnot", "or", "xor")
    }  # fmt: skip
    table |= {"v128.not": (_V, V128), "v128.bitselect": (_VVV, V128), "v128.any_true": (_V, I32)}
    for shape, (lane, _) in LANES.items():
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
    table |= _widening_table()
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


def _widening_table() -> dict[str, Signature]:
    table: dict[str, Signature] = {}
    for wide, narrow in (("i16x8", "i8x16"), ("i32x4", "i16x8"), ("i64x2", "i32x4")):
        for sign in ("s", "u"):
            for half in ("low", "high"):
                table[f"{wide}.extend_{half}_{narrow}_{sign}"] = (_V, V128)
                table[f"{wide}.extmul_{half}_{narrow}_{sign}"] = (_VV, V128)
            if wide != "i64x2":
                table[f"{wide}.extadd_pairwise_{narrow}_{sign}"] = (_V, V128)
                table[f"{narrow}.narrow_{wide}_{sign}"] = (_VV, V128)
    return table


PLAIN = _scalar_table() | _vector_table()
"""Instruction without immediates -> its operands and its result."""

WITHOUT_RESULT = frozenset({"memory.copy", "memory.fill"})
"""Those that leave nothing, whatever the table says."""

LOADS: dict[str, tuple[ValType, int]] = {
    "i32.load": (I32, 4), "i32.load8_s": (I32, 1), "i32.load8_u": (I32, 1),
    "i32.load16_s": (I32, 2), "i32.load16_u": (I32, 2),
    "i64.load": (I64, 8), "i64.load8_s": (I64, 1), "i64.load8_u": (I64, 1),
    "i64.load16_s": (I64, 2), "i64.load16_u": (I64, 2), "i64.load32_s": (I64, 4), "i64.load32_u": (I64, 4),
    "f32.load": (F32, 4), "f64.load": (F64, 8), "v128.load": (V128, 16),
    "v128.load8x8_s": (V128, 8), "v128.load8x8_u": (V128, 8),
    "v128.load16x4_s": (V128, 8), "v128.load16x4_u": (V128, 8),
    "v128.load32x2_s": (V128, 8), "v128.load32x2_u": (V128, 8),
    "v128.load8_splat": (V128, 1), "v128.load16_splat": (V128, 2),
    "v128.load32_splat": (V128, 4), "v128.load64_splat": (V128, 8),
    "v128.load32_zero": (V128, 4), "v128.load64_zero": (V128, 8),
}  # fmt: skip
"""Load -> what it gives, bytes read."""

STORES: dict[str, tuple[ValType, int]] = {
    "i32.store": (I32, 4), "i32.store8": (I32, 1), "i32.store16": (I32, 2),
    "i64.store": (I64, 8), "i64.store8": (I64, 1), "i64.store16": (I64, 2), "i64.store32": (I64, 4),
    "f32.store": (F32, 4), "f64.store": (F64, 8), "v128.store": (V128, 16),
}  # fmt: skip
"""Store -> what it takes, bytes written."""

LANE_MEMORY = {
    "load8_lane": 1, "load16_lane": 2, "load32_lane": 4, "load64_lane": 8,
    "store8_lane": 1, "store16_lane": 2, "store32_lane": 4, "store64_lane": 8,
}  # fmt: skip
"""Loads and stores of one lane of a v128 -> its bytes."""
