"""Rows times a packed matrix, added to what is there: the products of a recurrent layer.

A single row (one sequence) reads every weight once, so the loop is bound by loads: eight vectors of sums hide the
latency of additions. Four rows at a time share what they load, two vectors each. Each element is summed over the depth
in order, from its start value, however many rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, v128
from wasm_emit.module import Module
from wasm_emit.types import I32

BLOCK = 8
"""Vectors of sums in registers; more spill (16 registers, and V8 slows down beyond 8 sums)."""

ROWS, ROW_VECTORS = 4, 2
"""Rows and vectors of a tile when there are several rows: again eight sums."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """``rows`` x ``depth`` times ``depth`` x ``columns`` (a multiple of 4); strides are bytes between rows.

    ``packed`` says that the matrix lies as ``pack`` leaves it; else in C order.
    """

    rows: int
    depth: int
    columns: int
    a_stride: int
    start_stride: int
    out_stride: int
    packed: bool

    @property
    def depth_stride(self) -> int:
        """Bytes from a weight to the one below it."""
        return BLOCK * VECTOR_BYTES if self.packed else self.columns * FLOAT_BYTES

    @property
    def block_stride(self) -> int:
        """Bytes from a block of columns to the next."""
        return self.depth * BLOCK * VECTOR_BYTES if self.packed else BLOCK * VECTOR_BYTES

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.depth * self.columns


def pack(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """[depth, columns] -> [blocks, depth, 32], the last block filled up with zeros."""
    depth, columns = matrix.shape
    width = BLOCK * FLOAT_LANES
    blocks = -(-columns // width)
    filled = np.zeros((depth, blocks * width), np.float32)
    filled[:, :columns] = matrix
    return np.ascontiguousarray(filled.reshape(depth, blocks, width).transpose(1, 0, 2))


def product_function(module: Module, name: str, shape: Product) -> Function:
    """A function (a, weights, start, out) of addresses: ``out = start + a @ weights`` for every row."""
    fn = module.function(name)
    a, weights, start, out = (fn.param(I32, part) for part in ("a", "weights", "start", "out"))
    vectors = shape.columns // FLOAT_LANES
    if full := vectors // BLOCK:
        with fn.counted(full):
            _rows(fn, shape, (a, weights, start, out), BLOCK)
            fn.advance(weights, shape.block_stride)
            for pointer in (start, out):
                fn.advance(pointer, BLOCK * VECTOR_BYTES)
    if vectors % BLOCK:
        _rows(fn, shape, (a, weights, start, out), vectors % BLOCK)
    return fn


_Pointers = tuple[Local, Local, Local, Local]


def _rows(fn: Function, shape: Product, at: _Pointers, vectors: int) -> None:
    """All rows of one block of columns."""
    a, weights, start, out = at
    row = (fn.new(a, "row"), weights, fn.new(start, "from"), fn.new(out, "to"))
    for height, turns in ((ROWS, shape.rows // ROWS), (1, shape.rows % ROWS)):
        if not turns:
            continue
        with fn.counted(turns):
            step = ROW_VECTORS if height > 1 else vectors
            for first in range(0, vectors, step):
                _tile(fn, shape, row, height, range(first, min(first + step, vectors)))
            for pointer, stride in zip((row[0], row[2], row[3]), _strides(shape), strict=True):
                fn.advance(pointer, height * stride)


def _strides(shape: Product) -> tuple[int, int, int]:
    return shape.a_stride, shape.start_stride, shape.out_stride


def _tile(fn: Function, shape: Product, at: _Pointers, height: int, vectors: range) -> None:
    a, weights, start, out = at
    sums = [
        [fn.new(v128.load(start, offset=row * shape.start_stride + v * VECTOR_BYTES), "sum") for v in vectors]
        for row in range(height)
    ]
    left, right = fn.new(a, "a"), fn.new(weights, "w")
    with fn.pointer_loop(left, shape.depth, FLOAT_BYTES):
        loaded = [v128.load(right, offset=v * VECTOR_BYTES) for v in vectors]
        if height > 1:
            loaded = [fn.new(one, "weight") for one in loaded]
        for row in range(height):
            factor = fn.new(v128.load32_splat(left, offset=row * shape.a_stride), "x")
            for total, weight in zip(sums[row], loaded, strict=True):
                fn.set(total, f32x4.add(total, f32x4.mul(factor, weight)))
        fn.advance(right, shape.depth_stride)
    for row in range(height):
        for total, v in zip(sums[row], vectors, strict=True):
            fn.do(v128.store(out, total, offset=row * shape.out_stride + v * VECTOR_BYTES))
