"""32-bit sums to stored 8-bit values, bit for bit as ONNX Runtime's fused kernels do (MlasRequantizeOutput).

    stored = clamp(round_half_even(float32(sum) * scale) + zero_point)

Rounding is an addition (``compiler/wasm/numerics/rounding.py``). The zero point is added after that, in the subtraction
of the magic number's bits. This holds for ``|sum * scale| < 2**22``; where the compiler cannot prove that, the product
is clamped first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.wasm.numerics.rounding import MAGIC, MAGIC_BITS
from compiler.wasm.specs import Quant
from edge_bundle.tensor import DType
from wasm_emit.function import Function
from wasm_emit.instructions import f32x4, i8x16, i16x8, i32x4, v128_const
from wasm_emit.types import Expr

SATURATION = 2.0**16
"""What products are clamped to where no bound is known: far outside of 8 bits, well inside of ``EXACT``."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How results are stored; ``bounded`` says that ``|sum * scale| < EXACT`` is proved."""

    signed: bool
    zero_point: int
    low: int
    high: int
    bounded: bool

    @property
    def key(self) -> str:
        """Tells two of these apart in the name of a shared function."""
        return f"{'s' if self.signed else 'u'}{self.zero_point}.{self.low}.{self.high}{'' if self.bounded else 'w'}"


def stored_as(y: Quant, low: int, high: int, *, bounded: bool) -> Stored:
    """Results in the quantization ``y``, clamped to ``low`` and ``high`` (stored values)."""
    return Stored(y.dtype is DType.INT8, y.zero_point, low, high, bounded)


def scaled(total: Expr, scale: Expr, stored: Stored) -> Expr:
    """``float32(sum) * scale``, clamped if need be."""
    product = f32x4.mul(f32x4.convert_i32x4_s(total), scale)
    if stored.bounded:
        return product
    low, high = v128_const("f32x4", -SATURATION), v128_const("f32x4", SATURATION)
    return f32x4.pmin(high, f32x4.pmax(low, product))


def rounded(value: Expr, zero_point: int) -> Expr:
    """The nearest integers, half to even, plus the zero point."""
    magic = f32x4.add(value, v128_const("f32x4", MAGIC))
    return i32x4.sub(magic, v128_const("i32x4", MAGIC_BITS - zero_point))


def narrowed(fn: Function, words: Sequence[Expr], stored: Stored) -> Expr:
    """Two or four vectors of int32 as 8 (twice) or 16 bytes, saturated and clamped."""
    halves = [i16x8.narrow_i32x4_s(words[i], words[i + 1]) for i in range(0, len(words), 2)]
    if len(halves) == 1:
        halves = [fn.new(halves[0], "half")] * 2
    if stored.signed:
        return clamped(i8x16.narrow_i16x8_s(*halves), stored)
    return clamped(i8x16.narrow_i16x8_u(*halves), stored)


def clamped(stored_bytes: Expr, stored: Stored) -> Expr:
    """The folded activation, where it is narrower than the dtype."""
    lowest, highest = (-128, 127) if stored.signed else (0, 255)
    if stored.low > lowest:
        bound = v128_const("i8x16", _byte(stored.low))
        stored_bytes = (i8x16.max_s if stored.signed else i8x16.max_u)(stored_bytes, bound)
    if stored.high < highest:
        bound = v128_const("i8x16", _byte(stored.high))
        stored_bytes = (i8x16.min_s if stored.signed else i8x16.min_u)(stored_bytes, bound)
    return stored_bytes


def _byte(value: int) -> int:
    return value - 256 if value > 127 else value  # noqa: PLR2004 - a byte as i8x16 constants write it
