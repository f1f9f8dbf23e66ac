"""Conversions between dtypes in lanes, with the semantics of ONNX Cast.

Floats become integers towards zero; NaN becomes 0, what is out of a 32- or 64-bit range its end, and what is out of a
narrower one its low bits (ONNX leaves both open). Anything but 0 becomes true. Integers are cut when they are stored.
"""

from __future__ import annotations

from compiler.wasm.numerics.lanes import Lanes
from edge_bundle.tensor import DType
from wasm_emit.instructions import f32, f32x4, f64, i32, i32x4, i64, v128
from wasm_emit.types import Expr


def converts_in_vectors(source: DType, target: DType) -> bool:
    """Whether ``convert`` has vector code: 32-bit lanes and masks do, 64-bit lanes only as they are."""
    wide = [dtype for dtype in (source, target) if dtype.itemsize == 8]  # noqa: PLR2004 - bytes
    return not wide or target is DType.BOOL


def convert(source: Lanes, target: Lanes, x: Expr) -> Expr:
    """``x`` of the dtype of ``source`` as the dtype of ``target``; both are of one width."""
    if source.dtype is target.dtype:
        return x
    if target.dtype is DType.BOOL:
        return source.ne(x, source.const(0))
    if source.width > 1:
        return _vector(source, target, x)
    return _float_result(source, target, x) if target.is_float else _integer_result(source, target, x)


def _vector(source: Lanes, target: Lanes, x: Expr) -> Expr:
    if source.dtype is DType.BOOL:
        return v128.and_(x, target.const(1))
    if source.kind == target.kind:
        return x
    if target.is_float:
        return (f32x4.convert_i32x4_s if source.signed else f32x4.convert_i32x4_u)(x)
    return (i32x4.trunc_sat_f32x4_u if target.dtype is DType.UINT32 else i32x4.trunc_sat_f32x4_s)(x)


def _float_result(source: Lanes, target: Lanes, x: Expr) -> Expr:
    if source.is_float:
        return f64.promote_f32(x) if target.kind == "f64" else f32.demote_f64(x)
    family = target.family
    if source.kind == "i64":
        return family.convert_i64_s(x) if source.signed else family.convert_i64_u(x)
    return family.convert_i32_s(x) if source.signed else family.convert_i32_u(x)


def _integer_result(source: Lanes, target: Lanes, x: Expr) -> Expr:
    if not source.is_float:
        if source.kind == target.kind:
            return x
        if target.kind == "i32":
            return i32.wrap_i64(x)
        return i64.extend_i32_s(x) if source.signed else i64.extend_i32_u(x)
    unsigned = target.dtype in (DType.UINT32, DType.UINT64)
    name = f"trunc_sat_{source.kind}_{'u' if unsigned else 's'}"
    made: Expr = getattr(target.family, name)(x)
    return made
