"""Maxima of windows with their indices, and maxima put back (MaxPool's second output, MaxUnpool)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.wasm.kernels.copy import element_access
from compiler.wasm.kernels.indices import checked_index
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.prepared import Prepared
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.sizes import INDEX_BYTES
from compiler.wasm.numerics.storage import load, store
from compiler.wasm.step import StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, i64, memory
from wasm_emit.types import I32, Expr


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows of ``kernel`` taps over ``images`` (and channels) that are ``image_bytes`` apart, with their borders.

    ``moves`` and ``taps`` are the bytes from a window and from a tap to the next along each axis; ``plane`` is the
    elements of an image without borders.
    """

    dtype: DType
    images: int
    image_bytes: int
    plane: int
    outputs: Sequence[int]
    kernel: Sequence[int]
    moves: Sequence[int]
    taps: Sequence[int]


def max_with_indices(out: StepEmitter, windows: Windows, x: Prepared, table: int, values: int, places: int) -> None:
    """The first largest element of each window of ``x`` at ``values``, its index at ``places``.

    The int32 at ``table`` are the indices in one image of each element with borders.
    """
    fn, item, lanes = out.fn, windows.dtype.itemsize, Lanes(windows.dtype, 1)
    best, where = fn.local(lanes.type, "best"), fn.local(I32, "where")
    source, lookup = fn.new(x.address(out), "image"), fn.new(table, "indices")
    targets = fn.new(values, "values"), fn.new(places, "places")
    first = fn.local(I32, "first")
    rows = Layout.of((windows.images, *windows.outputs), 1).strides[1:]
    made = math.prod(windows.outputs)
    image = [
        (source, [windows.image_bytes]), (targets[0], [made * item]), (targets[1], [made * INDEX_BYTES]),
        (first, [windows.plane]),
    ]  # fmt: skip
    with loops(fn, [windows.images], image) as ((start, to, index_to, before), _):
        inner = [
            (start, windows.moves), (to, [row * item for row in rows]), (index_to, [row * INDEX_BYTES for row in rows]),
            (before, [0] * len(rows)),
        ]  # fmt: skip
        with loops(fn, windows.outputs, inner) as ((corner, value_at, index_at, base), _):
            _find_largest(fn, windows, corner, best, where)
            fn.do(store(lanes, value_at, best))
            position = i32.div_u(where - start, item)
            found = i32.load(lookup + position * 4) + base
            fn.do(i64.store(index_at, i64.extend_i32_u(found)))


def _find_largest(fn: Function, windows: Windows, corner: Expr, best: Local, where: Local) -> None:
    """``best`` and its address ``where`` in the window at ``corner``."""
    lanes = Lanes(windows.dtype, 1)
    fn.set(best, load(lanes, corner))
    fn.set(where, corner)
    with loops(fn, windows.kernel, [(corner, windows.taps)]) as ((tap,), _):
        value = fn.new(load(lanes, tap), "x")
        with fn.if_(lanes.gt(value, best)):
            fn.set(best, value)
            fn.set(where, tap)


@dataclass(frozen=True, kw_only=True)
class Maxima:
    """``count`` elements of ``itemsize`` bytes; their indices are below ``places``; the target has ``nbytes``."""

    count: int
    itemsize: int
    places: int
    nbytes: int


def put_back(fn: Function, maxima: Maxima, values: int, indices: int, table: int, target: int) -> None:
    """Zeros at ``target``, and each element where the int32 at ``table`` say that its index (int64) lies.

    An index outside traps.
    """
    item = maxima.itemsize
    fetch, put = element_access(item)
    base, lookup = fn.new(target, "target"), fn.new(table, "places")
    fn.do(memory.fill(base, 0, maxima.nbytes))
    pointers = [(fn.new(values), [item]), (fn.new(indices), [INDEX_BYTES])]
    with loops(fn, [maxima.count], pointers) as ((value, index_at), _):
        index = checked_index(fn, i64.load(index_at), maxima.places)
        place = fn.new(i32.load(lookup + index * 4), "place")
        fn.do(put(base + place * item, fetch(value)))
