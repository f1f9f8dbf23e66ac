"""Matrix product [M, K] x [K, N] with packed weights: also 1x1 convolutions, whose rows are pixels.

Two loop orders. Panels outside: a panel stays in the first-level cache while all rows pass. Rows outside when all
weights stay there (``RESIDENT_BYTES``; every input row is then read once), and when rows of the result are longer than
those of the input: they are then written from end to end. Blocks of rows in between gain nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from compiler.wasm.kernels.f32.epilogue import Epilogue
from compiler.wasm.kernels.f32.loops import repeated
from compiler.wasm.kernels.f32.micro import make_sums
from compiler.wasm.kernels.f32.packing import Panels
from compiler.wasm.kernels.f32.tiles import Tile
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.module import Module
from wasm_emit.types import I32

RESIDENT_BYTES = 24 * 1024
"""Weights up to this size share a first-level data cache of 32 KiB with rows and results."""


@dataclass(frozen=True, kw_only=True)
class GemmShape:
    """``rows`` of ``depth`` values, times a matrix of ``columns``. Strides are floats from row to row.

    ``b_stride`` is 0 for a packed matrix. Without ``bias`` sums start with their first products.
    """

    rows: int
    depth: int
    columns: int
    a_stride: int
    c_stride: int
    tile: Tile
    epilogue: Epilogue
    b_stride: int = 0
    bias: bool = True

    @property
    def key(self) -> str:
        """Equal for products that one function serves."""
        return f"gemm_f32:{self}"

    @property
    def panels(self) -> Panels:
        """How the weights are cut."""
        return Panels(self.columns, self.tile.width)


@dataclass(frozen=True, slots=True)
class _Pointers:
    a: Local
    b: Local
    bias: Local | None
    residual: Local | None
    c: Local


def gemm_function(module: Module, name: str, shape: GemmShape) -> Function:
    """A function (a, b, [bias,] [residual,] c) of addresses that computes the whole product."""
    fn = module.function(name)
    at = _Pointers(
        a=fn.param(I32, "a"),
        b=fn.param(I32, "b"),
        bias=fn.param(I32, "bias") if shape.bias else None,
        residual=fn.param(I32, "residual") if shape.epilogue.residual else None,
        c=fn.param(I32, "c"),
    )
    resident = shape.depth * shape.panels.padded * FLOAT_BYTES <= RESIDENT_BYTES
    if (resident or shape.columns > shape.depth) and shape.panels.padded > shape.tile.width:
        _rows_outside(fn, shape, at)
    else:
        _panels_outside(fn, shape, at)
    return fn


def _panels_outside(fn: Function, shape: GemmShape, at: _Pointers) -> None:
    for width, valid, turns in shape.panels.kinds():
        with _panel_loop(fn, shape, at, width, turns):
            rows = _Pointers(fn.new(at.a, "row"), at.b, at.bias, _copy(fn, at.residual), fn.new(at.c, "out"))
            for height, count in _row_kinds(shape):
                with _row_loop(fn, shape, rows, height, count):
                    _tile(fn, shape, rows, height, width, valid)


def _rows_outside(fn: Function, shape: GemmShape, at: _Pointers) -> None:
    for height, count in _row_kinds(shape):
        with _row_loop(fn, shape, at, height, count):
            columns = _Pointers(
                at.a, fn.new(at.b, "panel"), _copy(fn, at.bias), _copy(fn, at.residual), fn.new(at.c, "out")
            )
            for width, valid, turns in shape.panels.kinds():
                with _panel_loop(fn, shape, columns, width, turns):
                    _tile(fn, shape, columns, height, width, valid)


def _tile(fn: Function, shape: GemmShape, at: _Pointers, height: int, width: int, valid: int) -> None:
    sums = make_sums(fn, shape.tile, height, width)
    a, b = fn.new(at.a, "ak"), fn.new(at.b, "bk")
    sums.whole(at.bias, a, b, shape.a_stride * FLOAT_BYTES, shape.depth, shape.b_stride * FLOAT_BYTES)
    sums.finish(shape.epilogue, at.bias, at.c, at.residual, shape.c_stride * FLOAT_BYTES, valid)


def _row_kinds(shape: GemmShape) -> Iterator[tuple[int, int]]:
    """Height and number of the row tiles, in order."""
    full, rest = divmod(shape.rows, shape.tile.rows)
    if full:
        yield shape.tile.rows, full
    if rest:
        yield rest, 1


@contextmanager
def _panel_loop(fn: Function, shape: GemmShape, at: _Pointers, width: int, turns: int) -> Iterator[None]:
    """Moves the panel's pointers behind each panel."""
    panel = width if shape.b_stride else shape.depth * width
    with repeated(fn, at.b, turns, panel * FLOAT_BYTES, name="panel"):
        yield
        for pointer in (at.bias, at.residual, at.c):
            if pointer is not None:
                fn.advance(pointer, width * FLOAT_BYTES)


@contextmanager
def _row_loop(fn: Function, shape: GemmShape, at: _Pointers, height: int, turns: int) -> Iterator[None]:
    """Moves the rows' pointers behind each tile."""
    with repeated(fn, at.a, turns, height * shape.a_stride * FLOAT_BYTES, name="row"):
        yield
        for pointer in (at.residual, at.c):
            if pointer is not None:
                fn.advance(pointer, height * shape.c_stride * FLOAT_BYTES)


def _copy(fn: Function, pointer: Local | None) -> Local | None:
    return None if pointer is None else fn.new(pointer, "at")
