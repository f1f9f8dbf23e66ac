"""Blocks of columns are added up where they overlap in an image (Col2Im)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.wasm.kernels.copy import copy_layout
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.loops import loops
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.storage import load, store
from edge_bundle.tensor import DType
from wasm_emit.function import Function
from wasm_emit.instructions import memory


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Columns of shape ``sizes`` (dense) whose elements are ``strides`` bytes apart in an image with borders.

    ``bordered`` is that image, ``inside`` its part without borders.
    """

    dtype: DType
    sizes: Sequence[int]
    strides: Sequence[int]
    bordered: Layout
    inside: Layout

    @property
    def work_bytes(self) -> int:
        """Of the image with borders."""
        return self.bordered.size * self.dtype.itemsize


def col2im(fn: Function, blocks: Blocks, columns: int, work: int, target: int) -> None:
    """The sums, made at ``work`` with borders, as a dense image at ``target``."""
    item, lanes = blocks.dtype.itemsize, Lanes(blocks.dtype, 1)
    base = fn.new(work, "image")
    fn.do(memory.fill(base, 0, blocks.work_bytes))
    pointers = [
        (fn.new(columns, "columns"), Layout.of(blocks.sizes, item).strides),
        (base, blocks.strides),
    ]
    with loops(fn, blocks.sizes, pointers) as ((column, to), _):
        fn.do(store(lanes, to, lanes.add(load(lanes, to), load(lanes, column))))
    copy_layout(fn, target, Layout.of(blocks.inside.shape, item), base, blocks.inside, item)
