"""Interpolation along one axis by tables of indices and weights, and picking along many axes by tables of indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from compiler.wasm.kernels.copy import copy_run, element_access
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.loops import loops
from compiler.wasm.numerics.lanes import F32, Lanes
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from compiler.wasm.numerics.storage import load, store
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32
from wasm_emit.types import Expr

ENTRY_BYTES = 4
"""An entry of the tables: an int32 byte offset or a float32 weight."""


@dataclass(frozen=True, kw_only=True)
class Resample:
    """[outer, size, inner] to [outer, output, inner], float32.

    ``offsets`` and ``weights`` are addresses of tables [output, taps]; ``bias`` of one [output], added to each sum.
    """

    outer: int
    size: int
    inner: int
    output: int
    taps: int
    offsets: int
    weights: int
    bias: int


def resample(fn: Function, source: int, target: int, work: Resample) -> None:
    """Write the loops."""
    row = work.inner * FLOAT_BYTES
    pointers = [
        (fn.new(source, "source"), [work.size * row, 0]),
        (fn.new(target, "target"), [work.output * row, row]),
        (fn.new(work.offsets, "offsets"), [0, work.taps * ENTRY_BYTES]),
        (fn.new(work.weights, "weights"), [0, work.taps * ENTRY_BYTES]),
        (fn.new(work.bias, "bias"), [0, ENTRY_BYTES]),
    ]
    with loops(fn, [work.outer, work.output], pointers) as ((block, to, offset, weight, bias), _):
        rows = [fn.new(block + i32.load(offset, offset=ENTRY_BYTES * tap), "row") for tap in range(work.taps)]
        scales = [fn.new(load(F32, weight, ENTRY_BYTES * tap), "weight") for tap in range(work.taps)]
        start = fn.new(load(F32, bias), "start")
        many = work.inner // FLOAT_LANES
        for turns, width, at in ((many, FLOAT_LANES, 0), (work.inner - many * FLOAT_LANES, 1, many * VECTOR_BYTES)):
            if turns:
                _along(fn, turns, width, [pointer + at for pointer in (to, *rows)], scales, start)


def _along(
    fn: Function, turns: int, width: int, pointers: Sequence[Expr], scales: Sequence[Local], start: Local
) -> None:
    """``turns`` vectors (or elements) of a row; the first pointer is the target's."""
    lanes = Lanes(DType.FP32, width)
    wide = [fn.new(lanes.splat(scale), "scale") for scale in scales]
    begin = fn.new(lanes.splat(start), "begin")
    moving = [(fn.new(pointer, "at"), [width * FLOAT_BYTES]) for pointer in pointers]
    with loops(fn, [turns], moving) as ((to, *rows), _):
        total: Expr = begin
        for row, scale in zip(rows, wide, strict=True):
            total = lanes.add(total, lanes.mul(load(lanes, row), scale))
        fn.do(store(lanes, to, fn.new(total, "y")))


def pick(fn: Function, source: int, target: int, come: Layout, to: Layout, tables: Mapping[int, int]) -> None:
    """``to[i, j, ..] = come[tables[0][i], tables[1][j], ..]``; axes without a table are the same in both.

    ``tables`` holds addresses of int32 byte offsets, one per index of the target's axis.
    """
    item = to.strides[-1] if to.strides else FLOAT_BYTES
    tail = max(tables, default=-1) + 1
    inner = Layout(to.shape[tail:], to.strides[tail:]).size * item
    at: Expr = fn.new(source, "source")
    write: Expr = fn.new(target, "target")
    with ExitStack() as stack:
        for axis in range(tail):
            size = to.shape[axis]
            if axis in tables:
                moving = [(write, [to.strides[axis]]), (fn.new(tables[axis], "table"), [ENTRY_BYTES])]
                (write, entry), _ = stack.enter_context(loops(fn, [size], moving))
                at = fn.new(at + i32.load(entry), "at")
            else:
                moving = [(write, [to.strides[axis]]), (at, [come.strides[axis]])]
                (write, at), _ = stack.enter_context(loops(fn, [size], moving))
        if inner == item:
            fetch, put = element_access(item)
            fn.do(put(write, fetch(at)))
        else:
            copy_run(fn, write, at, inner)
