"""Lanes: one vocabulary for a scalar and for a vector of equal lanes, so that an operator is written once.

``Lanes(dtype, width)`` says how elements of a dtype are held while they are computed with:

=================== ============ ============ ============
dtype               width 1      width 4      width 2
=================== ============ ============ ============
FP32                f32          f32x4        -
FP64                f64          -            -
INT32, UINT32       i32          i32x4        -
INT64               i64          -            i64x2
UINT64              i64          -            -
8 and 16 bits       i32, widened i32x4        -
BOOL                i32, 0 or 1  mask         mask
=================== ============ ============ ============

A mask is what comparisons give: i32 0 or 1 for a scalar, all bits of a lane for a vector. Arithmetic on widened
integers is carried out in 32 bits and cut to the dtype when it is stored. Scalars and vectors give the same bits (NaN
payloads aside), so a result does not depend on where in a vector an element lies. Operands that an operation needs
twice must be locals or constants (``EmitError`` otherwise): expressions are text, and would be computed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from compiler.wasm.numerics.sizes import VECTOR_BYTES
from edge_bundle.tensor import DType
from wasm_emit.function import Local
from wasm_emit.instructions import (
    Family,
    f32,
    f32_const,
    f32x4,
    f64,
    f64_const,
    i32,
    i32x4,
    i64,
    i64_const,
    i64x2,
    select,
    shuffle,
    v128,
    v128_const,
)
from wasm_emit.types import EmitError, Expr, ValType, as_i32

_FAMILIES: dict[tuple[str, int], Family] = {
    ("f32", 1): f32, ("f32", 4): f32x4, ("f64", 1): f64,
    ("i32", 1): i32, ("i32", 4): i32x4, ("i64", 1): i64, ("i64", 2): i64x2,
}  # fmt: skip
_KIND = {DType.FP32: "f32", DType.FP64: "f64", DType.INT64: "i64", DType.UINT64: "i64"}
_UNSIGNED = frozenset({DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64, DType.BOOL})
_SHIFT_BITS = {"i32": 31, "i64": 63}


def widest(*dtypes: DType) -> int:
    """The most lanes that all of the dtypes can be held in."""
    return next(width for width in (4, 2, 1) if all(has_lanes(dtype, width) for dtype in dtypes))


def has_lanes(dtype: DType, width: int) -> bool:
    """Whether the table above has an entry."""
    if dtype is DType.FP16:
        return False
    if dtype is DType.BOOL:
        return width in (1, 2, 4)
    if dtype is DType.UINT64:
        return width == 1
    return (_KIND.get(dtype, "i32"), width) in _FAMILIES


@dataclass(frozen=True)
class Lanes:
    """``width`` elements of a dtype in one register. Methods take and give expressions of ``type``."""

    dtype: DType
    width: int

    def __post_init__(self) -> None:
        if not has_lanes(self.dtype, self.width):
            raise EmitError(f"expected a dtype and width of the table, got {self.dtype} by {self.width}")

    @cached_property
    def kind(self) -> str:
        """``f32``, ``f64``, ``i32`` or ``i64``: what one lane is computed as."""
        if self.dtype is DType.BOOL:
            return "i64" if self.width == 2 else "i32"  # noqa: PLR2004 - two masks fill a vector
        return _KIND.get(self.dtype, "i32")

    @cached_property
    def family(self) -> Family:
        """The instructions of the lane's shape."""
        return _FAMILIES[self.kind, self.width]

    @cached_property
    def type(self) -> ValType:
        """Of the register."""
        return ValType(self.kind) if self.width == 1 else ValType.V128

    @property
    def is_float(self) -> bool:
        """Whether NaN and infinities exist."""
        return self.kind in ("f32", "f64")

    @property
    def signed(self) -> bool:
        """Whether comparisons, shifts and conversions are signed."""
        return self.dtype not in _UNSIGNED

    def _made(self, name: str, *operands: Expr) -> Expr:
        made: Expr = getattr(self.family, name)(*operands)
        return made

    @property
    def _sign(self) -> str:
        return "" if self.is_float else "_s" if self.signed else "_u"

    def of(self, dtype: DType) -> Lanes:
        """The same number of lanes of another dtype."""
        return Lanes(dtype, self.width)

    @cached_property
    def integers(self) -> Lanes:
        """Signed integers of the same lane width: what ``bits`` gives."""
        return self.of(DType.INT64 if self.kind.endswith("64") else DType.INT32)

    # Values.

    def const(self, value: float) -> Expr:
        """The value in every lane."""
        if self.dtype is DType.BOOL:
            return self._mask_const(bool(value))
        if self.width > 1:
            shape = f"{self.kind}x{self.width}"
            return v128_const(shape, value if self.is_float else _wrapped(int(value), self.kind))
        if self.is_float:
            return f32_const(value) if self.kind == "f32" else f64_const(value)
        whole = _wrapped(int(value), self.kind)
        return as_i32(whole) if self.kind == "i32" else i64_const(whole)

    def _mask_const(self, value: bool) -> Expr:
        return as_i32(int(value)) if self.width == 1 else v128_const("i32x4", -1 if value else 0)

    def splat(self, scalar: Expr) -> Expr:
        """A scalar of the same dtype in every lane."""
        if self.width == 1:
            return scalar
        if self.dtype is DType.BOOL:
            zero = as_i32(0)
            wide = i32.sub(zero, scalar)
            return i32x4.splat(wide) if self.kind == "i32" else i64x2.splat(i64.extend_i32_s(wide))
        return self.family.splat(scalar)

    # Arithmetic. Integers wrap around.

    def add(self, a: Expr, b: Expr) -> Expr:
        """Sum."""
        return self.family.add(a, b)

    def sub(self, a: Expr, b: Expr) -> Expr:
        """Difference."""
        return self.family.sub(a, b)

    def mul(self, a: Expr, b: Expr) -> Expr:
        """Product."""
        return self.family.mul(a, b)

    def div(self, a: Expr, b: Expr) -> Expr:
        """Quotient of floats (IEEE 754)."""
        return self.family.div(a, b)

    def neg(self, a: Expr) -> Expr:
        """Negation."""
        if self.is_float or self.width > 1:
            return self.family.neg(a)
        return self.family.sub(self.const(0), a)

    def abs(self, a: Expr) -> Expr:
        """Magnitude; the lowest integer stays itself."""
        if self.is_float or self.width > 1:
            return self.family.abs(a)
        return select(self.neg(_twice(a)), a, self.lt(a, self.const(0)))

    def min(self, a: Expr, b: Expr) -> Expr:
        """The lesser one; NaN if either is."""
        return self._extreme("min", a, b)

    def max(self, a: Expr, b: Expr) -> Expr:
        """The greater one; NaN if either is."""
        return self._extreme("max", a, b)

    def _extreme(self, name: str, a: Expr, b: Expr) -> Expr:
        """Of floats in three instructions where ``f32x4.max`` takes seven on x86: NaN in ``a`` stays by itself."""
        if self.is_float:
            number = self.pmin(a, b) if name == "min" else self.pmax(a, b)
            broken = self.ne(_twice(b), b)
            return select(b, number, broken) if self.width == 1 else v128.or_(number, broken)
        if self.width > 1 and self.kind == "i32":
            return self._made(name + self._sign, a, b)
        less = self.lt(_twice(a), _twice(b))
        return self.select(less, a, b) if name == "min" else self.select(less, b, a)

    def pmin(self, a: Expr, b: Expr) -> Expr:
        """``b < a ? b : a``: one instruction on x86; NaN in ``a`` stays, NaN in ``b`` does not count."""
        if self.width > 1:
            return self.family.pmin(a, b)
        return select(_twice(b), _twice(a), self.family.lt(b, a))

    def pmax(self, a: Expr, b: Expr) -> Expr:
        """``a < b ? b : a``: one instruction on x86; NaN in ``a`` stays, NaN in ``b`` does not count."""
        if self.width > 1:
            return self.family.pmax(a, b)
        return select(_twice(b), _twice(a), self.family.lt(a, b))

    def sqrt(self, a: Expr) -> Expr:
        """Square root of floats."""
        return self.family.sqrt(a)

    def round(self, how: str, a: Expr) -> Expr:
        """``ceil``, ``floor``, ``trunc`` or ``nearest`` (half to even) of floats."""
        return self._made(how, a)

    def copysign(self, magnitude: Expr, sign: Expr) -> Expr:
        """The magnitude of one float with the sign of another."""
        if self.width == 1:
            return self.family.copysign(magnitude, sign)
        return v128.bitselect(sign, magnitude, self.const(-0.0))

    def turned(self, a: Local, lanes: int) -> Expr:
        """The vector turned by ``lanes`` lanes: what lay there comes to the front."""
        start = lanes * VECTOR_BYTES // self.width
        return shuffle(a, a, [(start + byte) % VECTOR_BYTES for byte in range(VECTOR_BYTES)])

    def first(self, a: Expr) -> Expr:
        """Lane 0 as a scalar of the same dtype."""
        if self.width == 1:
            return a
        lane = self.family.extract_lane(a, 0)
        if self.dtype is DType.BOOL:
            return i32.ne(lane, 0) if self.kind == "i32" else i64.ne(lane, i64_const(0))
        return lane

    # Comparisons give masks.

    def eq(self, a: Expr, b: Expr) -> Expr:
        """Equal."""
        return self.family.eq(a, b)

    def ne(self, a: Expr, b: Expr) -> Expr:
        """Not equal; true for NaN."""
        return self.family.ne(a, b)

    def lt(self, a: Expr, b: Expr) -> Expr:
        """Less."""
        return self._compare("lt", a, b)

    def le(self, a: Expr, b: Expr) -> Expr:
        """Less or equal."""
        return self._compare("le", a, b)

    def gt(self, a: Expr, b: Expr) -> Expr:
        """Greater."""
        return self._compare("gt", a, b)

    def ge(self, a: Expr, b: Expr) -> Expr:
        """Greater or equal."""
        return self._compare("ge", a, b)

    def _compare(self, name: str, a: Expr, b: Expr) -> Expr:
        return self._made(name + self._sign, a, b)

    def select(self, mask: Expr, a: Expr, b: Expr) -> Expr:
        """``mask ? a : b``; both are computed."""
        return select(a, b, mask) if self.width == 1 else v128.bitselect(a, b, mask)

    def both(self, a: Expr, b: Expr) -> Expr:
        """Masks: and."""
        return i32.and_(a, b) if self.width == 1 else v128.and_(a, b)

    def either(self, a: Expr, b: Expr) -> Expr:
        """Masks: or."""
        return i32.or_(a, b) if self.width == 1 else v128.or_(a, b)

    def differ(self, a: Expr, b: Expr) -> Expr:
        """Masks: exclusive or."""
        return i32.xor(a, b) if self.width == 1 else v128.xor(a, b)

    def invert(self, a: Expr) -> Expr:
        """Masks: not."""
        return i32.eqz(a) if self.width == 1 else v128.not_(a)

    # Bits of integers.

    def and_(self, a: Expr, b: Expr) -> Expr:
        """Bitwise and."""
        return self.family.and_(a, b) if self.width == 1 else v128.and_(a, b)

    def or_(self, a: Expr, b: Expr) -> Expr:
        """Bitwise or."""
        return self.family.or_(a, b) if self.width == 1 else v128.or_(a, b)

    def xor(self, a: Expr, b: Expr) -> Expr:
        """Bitwise exclusive or."""
        return self.family.xor(a, b) if self.width == 1 else v128.xor(a, b)

    def not_(self, a: Expr) -> Expr:
        """Bitwise not."""
        return self.xor(a, self.const(-1)) if self.width == 1 else v128.not_(a)

    def shl(self, a: Expr, count: int) -> Expr:
        """Shift left by a constant."""
        return self.family.shl(a, self._count(count))

    def shr(self, a: Expr, count: int) -> Expr:
        """Shift right by a constant: arithmetic for signed dtypes."""
        return self._made(f"shr{self._sign}", a, self._count(count))

    def _count(self, count: int) -> Expr:
        if not 0 <= count <= _SHIFT_BITS[self.kind]:
            raise EmitError(f"expected a shift from 0 to {_SHIFT_BITS[self.kind]}, got {count}")
        return i64_const(count) if self.width == 1 and self.kind == "i64" else as_i32(count)

    # Floats and integers.

    def bits(self, a: Expr) -> Expr:
        """The bits of floats as ``integers``."""
        if self.width > 1:
            return a
        return i32.reinterpret_f32(a) if self.kind == "f32" else i64.reinterpret_f64(a)

    def from_bits(self, a: Expr) -> Expr:
        """Floats with the bits of ``integers``."""
        if self.width > 1:
            return a
        return f32.reinterpret_i32(a) if self.kind == "f32" else f64.reinterpret_i64(a)

    def to_int(self, a: Expr) -> Expr:
        """f32 to INT32, towards zero; beyond the range to its end, NaN to 0."""
        return i32.trunc_sat_f32_s(a) if self.width == 1 else i32x4.trunc_sat_f32x4_s(a)

    def to_float(self, a: Expr) -> Expr:
        """INT32 lanes as f32, to the nearest."""
        return f32.convert_i32_s(a) if self.width == 1 else f32x4.convert_i32x4_s(a)


F32 = Lanes(DType.FP32, 1)
"""One float32."""

F32X4 = Lanes(DType.FP32, 4)
"""Four float32."""


def _wrapped(value: int, kind: str) -> int:
    """The value modulo the lane's size, as a signed number."""
    half = 1 << _SHIFT_BITS[kind]
    return (value + half) % (2 * half) - half


def _twice(value: Expr) -> Expr:
    if isinstance(value, Local) or ".const " in value.text.split(")", 1)[0]:
        return value
    raise EmitError(f"expected a local or a constant (it is used twice), got {value.text[:60]}")
