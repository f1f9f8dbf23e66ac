"""Square tiles transposed in registers: 4 x 4 elements of 32 bits, 8 x 8 of 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wasm_emit.function import Function, Local
from wasm_emit.instructions import shuffle, v128
from wasm_emit.types import Expr

TransposeTile = Callable[[Function, Expr, int, Expr, int], None]
"""Target's first row, bytes between its rows, source's first column, bytes between its columns."""


def _zipped(fn: Function, left: Local, right: Local, width: int, *, high: bool) -> Local:
    """Elements of ``width`` bytes from the low (or high) halves of both, in turns."""
    start = 8 if high else 0
    lanes = [side + start + at + byte for at in range(0, 8, width) for side in (0, 16) for byte in range(width)]
    return fn.new(shuffle(left, right, lanes), "zipped")


def _words(fn: Function, dst: Expr, row: int, src: Expr, column: int) -> None:
    a, b, c, d = (fn.new(v128.load(src + index * column), "v") for index in range(4))
    for half in (False, True):
        ab, cd = _zipped(fn, a, b, 4, high=half), _zipped(fn, c, d, 4, high=half)
        for part in (False, True):
            index = 2 * half + part
            fn.do(v128.store(dst + index * row, _zipped(fn, ab, cd, 8, high=part)))


def _bytes(fn: Function, dst: Expr, row: int, src: Expr, column: int) -> None:
    columns = [fn.new(v128.load64_zero(src + index * column), "v") for index in range(8)]
    pairs = [_zipped(fn, columns[index], columns[index + 1], 1, high=False) for index in range(0, 8, 2)]
    for half in (False, True):
        low, high = (_zipped(fn, pairs[index], pairs[index + 1], 2, high=half) for index in (0, 2))
        for part in (False, True):
            rows = _zipped(fn, low, high, 4, high=part)
            for lane in range(2):
                index = 4 * half + 2 * part + lane
                fn.do(v128.store64_lane(dst + index * row, rows, lane))


TILES: Mapping[int, tuple[int, TransposeTile]] = {1: (8, _bytes), 4: (4, _words)}
"""Bytes of an element -> rows and columns of a tile, and its code."""
