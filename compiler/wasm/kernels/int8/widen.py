"""Stored values copied into scratch as the dot products read them: widened to 16 bits, and with padding around them.

Widening costs one load and one store for 8 elements, once; tiles then read each pair by ``v128.load32_splat``. Padding
is the stored zero point, so that every tap of every position is there and what one kernel row covers is one run.
"""

from __future__ import annotations

from compiler.wasm.kernels.int8.image import Image
from compiler.wasm.kernels.int8.packing import WORDS, Format
from compiler.wasm.specs import Quant
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i8x16, i16x8, v128
from wasm_emit.module import Module
from wasm_emit.types import I32, Operand

WIDENED = 16
"""Elements that one turn of the widening loop takes."""


def build_widen(module: Module, name: str, *, signed: bool) -> Function:
    """``(from, to, turns)``: widen 16 elements a turn."""
    fn = module.function(name)
    source, target, turns = (fn.param(I32, word) for word in ("from", "to", "turns"))
    with fn.loop("widen") as label:
        widen(fn, source, target, 0, WIDENED, signed=signed)
        fn.advance(source, WIDENED)
        fn.advance(target, 2 * WIDENED)
        fn.advance(turns, -1)
        fn.br(label, turns)
    return fn


def widen(fn: Function, source: Local, target: Local, start: int, count: int, *, signed: bool) -> None:
    """``count`` elements (rounded up to 8), written out."""
    load = v128.load8x8_s if signed else v128.load8x8_u
    for at in range(start, start + count, 8):
        fn.do(v128.store(target, load(source, offset=at), offset=2 * at))


def build_pad(module: Module, name: str, image: Image, x: Quant, form: Format) -> Function:
    """``(from, to)``: one image with its padding, in ``form``. Writes ascend, so what goes too far is overwritten."""
    fn = module.function(name)
    source, target = fn.param(I32, "from"), fn.param(I32, "to")
    top, left, bottom, right = image.pads
    pixel, (_, width) = image.channels, image.padded
    splat = i16x8.splat if form.itemsize == WORDS.itemsize else i8x16.splat
    filler = fn.new(splat(x.zero_point), "filler")
    _fill(fn, target, top * width * pixel * form.itemsize, filler)
    with fn.counted(image.height, name="row"):
        _fill(fn, target, left * pixel * form.itemsize, filler)
        _copy_row(fn, source, target, image.width * pixel, x, form)
        _fill(fn, target, right * pixel * form.itemsize, filler)
    _fill(fn, target, bottom * width * pixel * form.itemsize, filler)
    return fn


def _fill(fn: Function, target: Local, nbytes: int, filler: Local) -> None:
    """``nbytes`` (rounded up to 16 in memory); ``target`` moves by as many."""
    vectors = -(-nbytes // 16)
    if vectors == 1:
        fn.do(v128.store(target, filler))
        fn.advance(target, nbytes)
    elif vectors:
        with fn.pointer_loop(target, vectors, 16, name="fill"):
            fn.do(v128.store(target, filler))
        fn.advance(target, nbytes - 16 * vectors)


def _copy_row(fn: Function, source: Local, target: Local, count: int, x: Quant, form: Format) -> None:
    """``count`` elements (rounded up to 8 or 16 in memory); both pointers move by ``count`` elements."""

    def elements(number: int) -> None:
        if form is WORDS:
            widen(fn, source, target, 0, number, signed=x.dtype is DType.INT8)
        else:
            fn.do(v128.store(target, v128.load(source)))

    turns, rest = divmod(count, WIDENED)
    if turns:
        with fn.pointer_loop(source, turns, WIDENED, name="copy"):
            elements(WIDENED)
            fn.advance(target, WIDENED * form.itemsize)
    if rest:
        elements(rest)
        fn.advance(source, rest)
        fn.advance(target, rest * form.itemsize)


def call_widen(fn: Function, widener: Function, source: Operand, target: Operand, elements: int) -> None:
    """Widen ``elements``, rounded up to 16."""
    fn.do(fn.call(widener, source, target, -(-elements // WIDENED)))
