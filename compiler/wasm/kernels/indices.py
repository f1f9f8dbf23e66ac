"""Indices that are data: read as int64 or int32, counted from the end if negative, and never outside the axis.

ONNX leaves an index outside its axis undefined. Here it traps, so that the caller sees an error and no memory outside
the value is read or written.
"""

from __future__ import annotations

from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.storage import load
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, i64, i64_const, select
from wasm_emit.types import I64, Expr

OUTSIDE = "an index outside its axis traps"
"""For the table of operators."""


def load_index(fn: Function, pointer: Expr, dtype: DType, size: int, *, negative: bool = True) -> Local:
    """The index at ``pointer`` into an axis of ``size`` elements, as i32."""
    wide = i64.load(pointer) if dtype is DType.INT64 else i64.extend_i32_s(i32.load(pointer))
    return checked_index(fn, wide, size, negative=negative)


def checked_index(fn: Function, value: Expr, size: int, *, negative: bool = False) -> Local:
    """An i64 as an i32 below ``size``; with ``negative``, -1 is the last. Anything else traps."""
    wide = fn.new(value, "wide")
    if negative:
        fn.set(wide, select(i64.add(wide, i64_const(size)), wide, i64.lt_s(wide, i64_const(0))))
    with fn.if_(i64.ge_u(wide, i64_const(size))):
        fn.trap()
    return fn.new(i32.wrap_i64(wide), "index")


def load_int(pointer: Expr, dtype: DType) -> Expr:
    """A number as i64; floats are cut towards zero, NaN gives 0."""
    value = load(Lanes(dtype, 1), pointer)
    if dtype is DType.FP32:
        return i64.trunc_sat_f32_s(value)
    if value.type is I64:
        return value
    return i64.extend_i32_u(value) if dtype is DType.UINT32 else i64.extend_i32_s(value)
