"""Elementwise QLinearAdd and QLinearMul: sixteen stored values a turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compiler.wasm.kernels.int8.add import Addition, added
from compiler.wasm.kernels.int8.requantize import SATURATION, Stored, narrowed, rounded
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, i16x8, i32x4, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, Expr

TURN = 16
"""Elements of a turn; what lies behind the last element goes into the slack."""


@dataclass(frozen=True, slots=True)
class Multiplication:
    """``(a - a_zero) * (b - b_zero) * ratio + y_zero``, as ``qlmul.cpp``; ``bounded`` as for sums."""

    a_zero: int
    b_zero: int
    ratio: float
    bounded: bool

    @property
    def key(self) -> str:
        """Tells two of these apart in the name of a shared function."""
        return f"{self.a_zero}/{self.b_zero}/{self.ratio.hex()}/{self.bounded}"


def addition_name(what: Addition, signed: tuple[bool, bool], stored: Stored) -> str:
    """Name of the function that ``build_addition`` writes: equal for equal code."""
    return f"qadd/{what.key}/{signed[0]}/{signed[1]}/{stored.key}"


def build_addition(module: Module, name: str, what: Addition, signed: tuple[bool, bool], stored: Stored) -> Function:
    """``(a, b, y, turns)``."""

    def words(fn: Function, a: Local, b: Local) -> list[Expr]:
        quarters = zip(quartered(fn, a, signed=signed[0]), quartered(fn, b, signed=signed[1]), strict=True)
        return [
            added(what, fn.new(f32x4.convert_i32x4_s(left), "a"), fn.new(f32x4.convert_i32x4_s(right), "b"))
            for left, right in quarters
        ]

    return _build(module, name, words, stored)


def build_multiplication(
    module: Module, name: str, what: Multiplication, signed: tuple[bool, bool], stored: Stored
) -> Function:
    """``(a, b, y, turns)``."""

    def words(fn: Function, a: Local, b: Local) -> list[Expr]:
        found = []
        for half in (0, 8):
            left = fn.new(_centred(a, half, what.a_zero, signed=signed[0]), "a")
            right = fn.new(_centred(b, half, what.b_zero, signed=signed[1]), "b")
            products = (i32x4.extmul_low_i16x8_s(left, right), i32x4.extmul_high_i16x8_s(left, right))
            found += [_requantized_product(product, what, stored) for product in products]
        return found

    return _build(module, name, words, stored)


def quartered(fn: Function, pointer: Local, *, signed: bool) -> list[Expr]:
    """Sixteen stored values as four vectors of int32."""
    load = v128.load8x8_s if signed else v128.load8x8_u
    halves = [fn.new(load(pointer, offset=at), "half") for at in (0, 8)]
    if signed:
        return [wide(half) for half in halves for wide in (i32x4.extend_low_i16x8_s, i32x4.extend_high_i16x8_s)]
    return [wide(half) for half in halves for wide in (i32x4.extend_low_i16x8_u, i32x4.extend_high_i16x8_u)]


def _centred(pointer: Local, at: int, zero_point: int, *, signed: bool) -> Expr:
    load = v128.load8x8_s if signed else v128.load8x8_u
    return i16x8.sub(load(pointer, offset=at), v128_const("i16x8", zero_point))


def _requantized_product(product: Expr, what: Multiplication, stored: Stored) -> Expr:
    """The zero point is added before rounding here: so does ONNX Runtime."""
    value = f32x4.mul(f32x4.convert_i32x4_s(product), v128_const("f32x4", what.ratio))
    value = f32x4.add(value, v128_const("f32x4", stored.zero_point))
    if not what.bounded:
        value = f32x4.pmin(v128_const("f32x4", SATURATION), f32x4.pmax(v128_const("f32x4", -SATURATION), value))
    return rounded(value, 0)


def _build(
    module: Module, name: str, words: Callable[[Function, Local, Local], list[Expr]], stored: Stored
) -> Function:
    fn = module.function(name)
    a, b, y, turns = (fn.param(I32, word) for word in ("a", "b", "y", "turns"))
    with fn.loop("turn") as label:
        fn.do(v128.store(y, narrowed(fn, words(fn, a, b), stored)))
        for pointer in (a, b, y):
            fn.advance(pointer, TURN)
        fn.advance(turns, -1)
        fn.br(label, turns)
    return fn
