"""Between memory and registers: elements of every dtype loaded into ``Lanes`` and stored from them."""

from __future__ import annotations

from collections.abc import Callable

from compiler.wasm.numerics.lanes import Lanes
from edge_bundle.tensor import DType
from wasm_emit.instructions import f32, f64, i16x8, i32, i32x4, i64, i64x2, shuffle, v128, v128_const
from wasm_emit.types import Expr

_SCALAR_LOADS: dict[DType, Callable[..., Expr]] = {
    DType.BOOL: i32.load8_u, DType.UINT8: i32.load8_u, DType.INT8: i32.load8_s,
    DType.UINT16: i32.load16_u, DType.INT16: i32.load16_s, DType.INT32: i32.load, DType.UINT32: i32.load,
    DType.INT64: i64.load, DType.UINT64: i64.load, DType.FP32: f32.load, DType.FP64: f64.load,
}  # fmt: skip
_SCALAR_STORES: dict[DType, Callable[..., Expr]] = {
    DType.BOOL: i32.store8, DType.UINT8: i32.store8, DType.INT8: i32.store8,
    DType.UINT16: i32.store16, DType.INT16: i32.store16, DType.INT32: i32.store, DType.UINT32: i32.store,
    DType.INT64: i64.store, DType.UINT64: i64.store, DType.FP32: f32.store, DType.FP64: f64.store,
}  # fmt: skip
_LOW_BYTES = {
    (1, 4): (0, 4, 8, 12) * 4,
    (1, 2): (0, 8) * 8,
    (2, 4): (0, 1, 4, 5, 8, 9, 12, 13) * 2,
}
"""(bytes stored, lanes) -> where the low bytes of every lane lie."""


def load(lanes: Lanes, pointer: Expr, offset: int = 0) -> Expr:
    """``lanes.width`` elements that lie one after the other from ``pointer + offset``."""
    if lanes.width == 1:
        one = _SCALAR_LOADS[lanes.dtype](pointer, offset=offset)
        return i32.ne(one, 0) if lanes.dtype is DType.BOOL else one
    size = lanes.dtype.itemsize
    if size * lanes.width == 16:  # noqa: PLR2004 - a vector has 16 bytes
        return v128.load(pointer, offset=offset)
    if size == 2:  # noqa: PLR2004 - 16 bits
        return (v128.load16x4_s if lanes.signed else v128.load16x4_u)(pointer, offset=offset)
    if lanes.width == 2:  # noqa: PLR2004 - two masks
        pair = v128.load16_lane(pointer, v128_const("i32x4", 0), 0, offset=offset)
        wide = i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(pair)))
        return i64x2.ne(wide, v128_const("i64x2", 0))
    four = v128.load32_zero(pointer, offset=offset)
    if lanes.signed:
        return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(four))
    wide = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(four))
    return i32x4.ne(wide, v128_const("i32x4", 0)) if lanes.dtype is DType.BOOL else wide


def load_splat(lanes: Lanes, pointer: Expr, offset: int = 0) -> Expr:
    """The element at ``pointer + offset`` in every lane."""
    if lanes.width == 1:
        return load(lanes, pointer, offset)
    if lanes.dtype.itemsize * lanes.width == 16:  # noqa: PLR2004 - a vector has 16 bytes
        splat = v128.load32_splat if lanes.width == 4 else v128.load64_splat  # noqa: PLR2004 - lanes
        return splat(pointer, offset=offset)
    return lanes.splat(load(Lanes(lanes.dtype, 1), pointer, offset))


def store(lanes: Lanes, pointer: Expr, value: Expr, offset: int = 0) -> Expr:
    """Store all lanes one after the other; integers are cut to the dtype, masks become 0 or 1."""
    if lanes.width == 1:
        return _SCALAR_STORES[lanes.dtype](pointer, value, offset=offset)
    size = lanes.dtype.itemsize
    if size * lanes.width == 16:  # noqa: PLR2004 - a vector has 16 bytes
        return v128.store(pointer, value, offset=offset)
    packed = shuffle(value, value, _LOW_BYTES[size, lanes.width])
    if lanes.dtype is DType.BOOL:
        packed = v128.and_(packed, v128_const("i8x16", 1))
    write = {2: v128.store16_lane, 4: v128.store32_lane, 8: v128.store64_lane}[size * lanes.width]
    return write(pointer, packed, 0, offset=offset)
