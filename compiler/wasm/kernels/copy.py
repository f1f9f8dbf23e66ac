"""Copies between two layouts: runs of bytes where both are dense, tiles where one is a transpose, else elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler.wasm.kernels.interleave import is_woven, weave
from compiler.wasm.kernels.layout import Layout, merge
from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.transposed_tiles import TILES
from compiler.wasm.numerics.sizes import VECTOR_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i8x16, i16x8, i32, i32x4, i64, i64x2, memory, v128
from wasm_emit.types import Expr, Operand, as_i32

STRAIGHT_BYTES = 8 * VECTOR_BYTES
"""A run up to this length is copied without a loop."""

LOOP_BYTES = 1024
"""A longer run goes through ``memory.copy``: a call into the engine, cheaper than this many bytes by vectors."""

_PIECES: tuple[tuple[int, Callable[..., Expr], Callable[..., Expr]], ...] = (
    (16, v128.load, v128.store), (8, i64.load, i64.store), (4, i32.load, i32.store),
    (2, i32.load16_u, i32.store16), (1, i32.load8_u, i32.store8),
)  # fmt: skip
"""Width in bytes, load, store."""


def element_access(itemsize: int) -> tuple[Callable[..., Expr], Callable[..., Expr]]:
    """Load and store of one element as bits."""
    return next((load, store) for width, load, store in _PIECES if width == itemsize)


def copy_layout(fn: Function, target: Operand, to: Layout, source: Operand, come: Layout, itemsize: int) -> None:
    """Copy every element of ``come`` (in memory from address ``source``) to its place in ``to``; shapes are equal.

    Source and target do not overlap. Nothing but the target's elements is written.
    """
    if come.size == 0:
        return
    order = sorted(range(len(to.shape)), key=lambda axis: -abs(to.strides[axis]))
    to, come = to.permute(order), come.permute(order)
    sizes, (strides, steps) = merge(to.shape, (to.strides, come.strides))
    dst, src = fn.new(as_i32(target) + to.start, "dst"), fn.new(as_i32(source) + come.start, "src")
    if itemsize in TILES and (axis := _transposed_axis(sizes, strides, steps, itemsize)) is not None:
        _copy_tiles(fn, dst, src, sizes, strides, steps, axis, itemsize)
        return
    if is_woven(sizes, strides, steps, itemsize):
        _weave_planes(fn, dst, src, sizes, strides, steps, itemsize)
        return
    _copy_rows(fn, dst, src, sizes, strides, steps, itemsize)


def copy_run(fn: Function, target: Expr, source: Expr, nbytes: int) -> None:
    """Exactly ``nbytes`` bytes (at least 1) that do not overlap; both addresses are cheap expressions (locals)."""
    if nbytes > LOOP_BYTES:
        fn.do(memory.copy(target, source, nbytes))
        return
    if nbytes > STRAIGHT_BYTES:
        dst, src = fn.new(target, "to"), fn.new(source, "from")
        turns = nbytes // (2 * VECTOR_BYTES)
        with fn.pointer_loop(src, turns, 2 * VECTOR_BYTES):
            for offset in (0, VECTOR_BYTES):
                fn.do(v128.store(dst, v128.load(src, offset=offset), offset=offset))
            fn.advance(dst, 2 * VECTOR_BYTES)
        if rest := nbytes % (2 * VECTOR_BYTES):
            copy_run(fn, dst, src, rest)
        return
    for offset, load, store in _pieces(nbytes):
        fn.do(store(target, load(source, offset=offset), offset=offset))


def fill_run(fn: Function, target: Expr, bits: Expr, itemsize: int, count: int) -> None:
    """``count`` elements (at least 1) with the same bits; ``bits`` is an i32, for elements of 8 bytes an i64."""
    _, store = element_access(itemsize)
    splat = {1: i8x16.splat, 2: i16x8.splat, 4: i32x4.splat, 8: i64x2.splat}[itemsize]
    lanes = VECTOR_BYTES // itemsize
    dst = fn.new(target, "to")
    value = fn.new(bits, "bits")
    if count >= lanes:
        wide = fn.new(splat(value), "wide")
        with fn.pointer_loop(dst, count // lanes, VECTOR_BYTES):
            fn.do(v128.store(dst, wide))
    for index in range(count % lanes):
        fn.do(store(dst, value, offset=index * itemsize))


def _pieces(nbytes: int) -> list[tuple[int, Callable[..., Expr], Callable[..., Expr]]]:
    """Offsets with load and store that cover the run; from 16 bytes on the last vector may overlap the one before."""
    found = []
    offset = 0
    for width, load, store in _PIECES:
        while nbytes - offset >= width:
            found.append((offset, load, store))
            offset += width
        if width == VECTOR_BYTES and found and offset < nbytes:
            return [*found, (nbytes - VECTOR_BYTES, load, store)]
    return found


def _copy_rows(
    fn: Function, dst: Local, src: Local, sizes: Sequence[int], strides: Sequence[int], steps: Sequence[int],
    itemsize: int,
) -> None:  # fmt: skip
    """Loops around the innermost axis, which is a run, a fill, or single elements."""
    load, store = element_access(itemsize)
    inner = sizes[-1] if sizes else 1
    dense = not sizes or (strides[-1] == itemsize and steps[-1] == itemsize)
    repeated = bool(sizes) and strides[-1] == itemsize and steps[-1] == 0
    if not dense and not repeated:
        with loops(fn, sizes, [(dst, strides), (src, steps)]) as ((to, come), _):
            fn.do(store(to, load(come)))
        return
    with loops(fn, sizes[:-1], [(dst, strides[:-1]), (src, steps[:-1])]) as ((to, come), _):
        if dense:
            copy_run(fn, to, come, inner * itemsize)
        else:
            fill_run(fn, to, load(come), itemsize, inner)


def _transposed_axis(sizes: Sequence[int], strides: Sequence[int], steps: Sequence[int], itemsize: int) -> int | None:
    """The axis along which the source is dense, if the target is dense along the last one and both are long."""
    tile, _ = TILES[itemsize]
    if len(sizes) < 2 or strides[-1] != itemsize or steps[-1] == itemsize or sizes[-1] < tile:  # noqa: PLR2004 - two axes
        return None
    return next((axis for axis in range(len(sizes) - 1) if steps[axis] == itemsize and sizes[axis] >= tile), None)


def _copy_tiles(
    fn: Function, dst: Local, src: Local, sizes: Sequence[int], strides: Sequence[int], steps: Sequence[int],
    axis: int, itemsize: int,
) -> None:  # fmt: skip
    """Whole tiles, then the edges that are left over, by elements."""
    tile, transpose = TILES[itemsize]
    rows, columns = sizes[axis], sizes[-1]
    whole_rows, whole_columns = rows // tile * tile, columns // tile * tile
    outer = [other for other in range(len(sizes) - 1) if other != axis]
    turns = [*(sizes[other] for other in outer), rows // tile, columns // tile]
    ahead = [*(strides[other] for other in outer), tile * strides[axis], tile * strides[-1]]
    behind = [*(steps[other] for other in outer), tile * steps[axis], tile * steps[-1]]
    with loops(fn, turns, [(dst, ahead), (src, behind)]) as ((to, come), _):
        transpose(fn, to, strides[axis], come, steps[-1])
    edges = [
        (axis, whole_rows, rows - whole_rows, -1, 0, columns),
        (axis, 0, whole_rows, -1, whole_columns, columns - whole_columns),
    ]
    for first, start, count, last, begin, length in edges:
        if count and length:
            part = [*sizes]
            part[first], part[last] = count, length
            corner = fn.new(dst + start * strides[first] + begin * strides[last], "edge_to")
            origin = fn.new(src + start * steps[first] + begin * steps[last], "edge_from")
            _copy_rows(fn, corner, origin, *_merged(part, strides, steps), itemsize)


def _weave_planes(
    fn: Function, dst: Local, src: Local, sizes: Sequence[int], strides: Sequence[int], steps: Sequence[int],
    itemsize: int,
) -> None:  # fmt: skip
    """Whole vectors of every plane, then what is left of them."""
    planes, lanes = sizes[-1], VECTOR_BYTES // itemsize
    vectors, rest = divmod(sizes[-2], lanes)
    turns = [*sizes[:-2], vectors]
    ahead = [*strides[:-2], planes * VECTOR_BYTES]
    behind = [*steps[:-2], VECTOR_BYTES]
    with loops(fn, turns, [(dst, ahead), (src, behind)]) as ((to, come), _):
        weave(fn, to, come, planes, steps[-1], itemsize)
    if rest:
        corner = fn.new(dst + vectors * planes * VECTOR_BYTES, "edge_to")
        origin = fn.new(src + vectors * VECTOR_BYTES, "edge_from")
        _copy_rows(fn, corner, origin, *_merged([*sizes[:-2], rest, planes], strides, steps), itemsize)


def _merged(
    sizes: Sequence[int], strides: Sequence[int], steps: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    merged, (ours, theirs) = merge(sizes, (strides, steps))
    return merged, ours, theirs
