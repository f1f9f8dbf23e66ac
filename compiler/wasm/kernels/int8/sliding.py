"""Depthwise 3x3 with stride 1: eight channels, two output positions a turn, each input column read once.

The upper two taps of a column are interleaved once and serve three outputs; the lowest taps of two neighbouring columns
are interleaved once and serve two turns. Per output that is 3 loads and 3 shuffles, where a position by itself takes 9
and 10 (``depthwise.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.int8.depthwise import (
    Block,
    advance,
    build_blocks,
    interleaved,
    pack_pairs_of_taps,
    store_sums,
)
from compiler.wasm.kernels.int8.image import Image
from compiler.wasm.kernels.int8.requantize import Stored
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32x4, v128
from wasm_emit.module import Module
from wasm_emit.types import V128, Expr

EDGE = 3
"""Rows and columns of the kernel."""

_UPPER = ((0, 3), (1, 4), (2, 5))
"""Taps that share a vector of weights: the upper two of each column."""

_LOWEST: tuple[tuple[tuple[int | None, int | None], ...], ...] = (((6, 7), (8, None)), ((None, 6), (7, 8)))
"""The lowest ones, against two pairs of columns: for the first output of a turn, for the second."""

_PAIRS = (*_UPPER, *_LOWEST[0], *_LOWEST[1])

Halves: TypeAlias = Sequence[Local]
"""Lower and upper four channels."""


@dataclass(frozen=True, slots=True)
class State:
    """What a turn hands to the next: upper taps of two columns, and the lowest ones of both."""

    first: Halves
    second: Halves
    lowest: Halves


def slides(image: Image) -> bool:
    """Whether this kernel can do it."""
    simple = (image.kernel, image.strides, image.dilations) == ((EDGE, EDGE), (1, 1), (1, 1))
    return simple and image.pads[1] <= 1


def pack_taps(weights: NDArray[Any]) -> NDArray[np.int8]:
    """Weights [channels, 9] as ``[block][pair][channel][2]``."""
    return pack_pairs_of_taps(weights, _PAIRS)


def build_sliding(
    module: Module, name: str, image: Image, zero_point: int, *, signed: bool, stored: Stored
) -> Function:
    """``(x, y, weights, parameters, outside)``: one image; ``outside`` is a line of zero points."""
    return build_blocks(module, name, image, zero_point, len(_PAIRS), _line, signed=signed, stored=stored)


def _line(fn: Function, block: Block) -> None:
    """Turns over pairs of outputs whose new columns are inside the image, then the rest, written out."""
    image = block.image
    left = image.pads[1]
    columns = [_column(fn, block, number - left, 0) for number in range(2)]
    state = State(*(fn.locals(V128, word, 2) for word in ("first", "second", "lowest")))
    _keep(fn, state, _upper(fn, columns[0]), _upper(fn, columns[1]), _lowest(fn, columns))
    advance(fn, block.rows, (2 - left) * image.channels)
    turns = min(image.out_width, max(image.width + left - 2, 0)) // 2
    if turns:
        with fn.counted(turns, name="column"):
            _turn(fn, block, state, (True, True), 2)
    for done in range(2 * turns, image.out_width, 2):
        inside = tuple(done + extra - left + 2 < image.width for extra in (0, 1))
        _turn(fn, block, state, inside, min(2, image.out_width - done))


def _turn(fn: Function, block: Block, state: State, inside: Sequence[bool], outputs: int) -> None:
    """``outputs`` positions, from the two columns that are kept and the two that come."""
    image = block.image
    columns = [_column(fn, block, 0 if here else -1, at * image.channels) for at, here in enumerate(inside)]
    advance(fn, block.rows, 2 * image.channels)
    third, fourth, lowest = _upper(fn, columns[0]), _upper(fn, columns[1]), _lowest(fn, columns)
    uppers = (state.first, state.second, third, fourth)
    for number in range(outputs):
        after = len(_UPPER) + number * len(_LOWEST[0])
        terms = [(uppers[number + tap], tap) for tap in range(EDGE)]
        terms += [(state.lowest, after), (lowest, after + 1)]
        store_sums(fn, block, [_sum(fn, block, terms, half) for half in (0, 1)])
        fn.advance(block.y, image.channels)
    _keep(fn, state, third, fourth, lowest)


def _sum(fn: Function, block: Block, terms: Sequence[tuple[Halves, int]], half: int) -> Local:
    total: Expr = block.biases[half]
    for data, pair in terms:
        total = i32x4.add(total, i32x4.dot_i16x8_s(data[half], block.weights[2 * pair + half]))
    return fn.new(total, "sum")


def _keep(fn: Function, state: State, first: Halves, second: Halves, lowest: Halves) -> None:
    for targets, values in ((state.first, first), (state.second, second), (state.lowest, lowest)):
        for target, value in zip(targets, values, strict=True):
            fn.set(target, value)


def _column(fn: Function, block: Block, column: int, offset: int) -> Sequence[Local]:
    """Three taps, ``column`` columns and ``offset`` bytes from the row pointers; zero points outside the image."""
    image = block.image
    if not 0 <= column < image.width:
        return [block.zero] * EDGE
    load = v128.load8x8_s if block.signed else v128.load8x8_u
    return [fn.new(load(row, offset=offset + column * image.channels), "tap") for row in block.rows]


def _upper(fn: Function, column: Sequence[Local]) -> Halves:
    return [fn.new(interleaved(column[0], column[1], half), "up") for half in (0, 1)]


def _lowest(fn: Function, columns: Sequence[Sequence[Local]]) -> Halves:
    return [fn.new(interleaved(columns[0][2], columns[1][2], half), "low") for half in (0, 1)]
