"""Reading by indices that are data: Gather, GatherElements, GatherND, ReverseSequence, OneHot.

An index outside its axis traps (``kernels/indices.py``); OneHot gives a row without a one, as ONNX says.
"""

from __future__ import annotations

import math

from compiler.ir.graph import Node
from compiler.wasm.kernels.copy import copy_run, element_access, fill_run
from compiler.wasm.kernels.indices import OUTSIDE, load_index, load_int
from compiler.wasm.kernels.loops import loops
from compiler.wasm.ops.arguments import axis_of
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import EVERY_DTYPE, NUMBERS
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Emit, Step, StepEmitter
from wasm_emit.instructions import i32, i64, i64_const, select


def _gather(node: Node, scope: Scope) -> Step:
    data, picks = scope.type_of(node.input(0)), scope.type_of(node.input(1))
    axis = axis_of(node, data.rank)
    size, item = data.shape[axis], data.dtype.itemsize
    outer, inner = math.prod(data.shape[:axis]), math.prod(data.shape[axis + 1 :]) * item
    if outer * picks.size * inner == 0:
        raise refuse(node, "a dimension has no elements")

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        pointers = [
            (fn.new(out.at(node.input(0)), "data"), [size * inner, 0]),
            (fn.new(out.at(node.input(1)), "picks"), [0, picks.dtype.itemsize]),
            (fn.new(out.at(node.output), "target"), [picks.size * inner, inner]),
        ]
        with loops(fn, [outer, picks.size], pointers) as ((block, pick, to), _):
            index = load_index(fn, pick, picks.dtype, size)
            copy_run(fn, to, fn.new(block + index * inner, "from"), inner)

    return _step(node, "gather", emit)


def _gather_elements(node: Node, scope: Scope) -> Step:
    data, picks = layout(scope, node.input(0)), layout(scope, node.input(1))
    dtype, item = scope.type_of(node.input(1)).dtype, scope.type_of(node.input(0)).dtype.itemsize
    axis = axis_of(node, len(data.shape))
    if 0 in (*picks.shape, *data.shape):
        raise refuse(node, "a dimension has no elements")
    steps = data.with_axis(axis, data.shape[axis], 0).strides
    fetch, put = element_access(item)

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        pointers = [
            (fn.new(out.at(node.input(0)), "data"), steps),
            (fn.new(out.at(node.input(1)), "picks"), picks.strides),
            (fn.new(out.at(node.output), "target"), layout(scope, node.output).strides),
        ]
        with loops(fn, picks.shape, pointers) as ((line, pick, to), _):
            index = load_index(fn, pick, dtype, data.shape[axis])
            fn.do(put(to, fetch(line + index * data.strides[axis])))

    return _step(node, "gather_elements", emit)


def _gather_nd(node: Node, scope: Scope) -> Step:
    data, picks = scope.type_of(node.input(0)), scope.type_of(node.input(1))
    shared = int(node.attrs.get("batch_dims", 0))
    depth = picks.shape[-1]
    strides = layout(scope, node.input(0)).strides
    batch, rows = math.prod(data.shape[:shared]), math.prod(picks.shape[shared:-1])
    inner = math.prod(data.shape[shared + depth :]) * data.dtype.itemsize
    if batch * rows * inner * depth == 0:
        raise refuse(node, "a dimension has no elements")
    row_bytes = depth * picks.dtype.itemsize

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        pointers = [
            (fn.new(out.at(node.input(0)), "data"), [data.nbytes // batch, 0]),
            (fn.new(out.at(node.input(1)), "picks"), [rows * row_bytes, row_bytes]),
            (fn.new(out.at(node.output), "target"), [rows * inner, inner]),
        ]
        with loops(fn, [batch, rows], pointers) as ((block, pick, to), _):
            source = fn.new(block, "from")
            for part in range(depth):
                place = fn.new(pick + part * picks.dtype.itemsize, "pick")
                index = load_index(fn, place, picks.dtype, data.shape[shared + part])
                fn.advance(source, index * strides[shared + part])
            copy_run(fn, to, source, inner)

    return _step(node, "gather_nd", emit)


def _reverse_sequence(node: Node, scope: Scope) -> Step:
    """The first ``sequence_lens[b]`` time steps of each batch item in reverse; a length beyond the axis traps."""
    data = scope.type_of(node.input(0))
    source = layout(scope, node.input(0))
    batch_axis, time_axis = axis_of(node, data.rank, 1, name="batch_axis"), axis_of(node, data.rank, name="time_axis")
    if data.size == 0 or {batch_axis, time_axis} != {0, 1}:
        raise refuse(node, "expected batch and time in the first two dimensions, none of them empty")
    batch, times = data.shape[batch_axis], data.shape[time_axis]
    inner = math.prod(data.shape[2:]) * data.dtype.itemsize
    batch_step, time_step = source.strides[batch_axis], source.strides[time_axis]
    lens = scope.type_of(node.input(1)).dtype

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        pointers = [
            (fn.new(out.at(node.input(0)), "data"), [batch_step, 0]),
            (fn.new(out.at(node.output), "target"), [batch_step, time_step]),
            (fn.new(out.at(node.input(1)), "lens"), [lens.itemsize, 0]),
        ]
        with loops(fn, [batch, times], pointers, indexed=frozenset({1})) as ((line, to, length_at), (_, time)):
            length = load_index(fn, length_at, lens, times + 1, negative=False)
            mirrored = fn.new(length - 1 - time, "mirrored")
            index = select(mirrored, time, i32.ge_s(mirrored, 0))
            copy_run(fn, to, fn.new(line + index * time_step, "from"), inner)

    return _step(node, "reverse_sequence", emit)


def _one_hot(node: Node, scope: Scope) -> Step:
    picks, kind = scope.type_of(node.input(0)), scope.type_of(node.output)
    axis = axis_of(node, kind.rank, -1)
    depth, item = kind.shape[axis], kind.dtype.itemsize
    outer, inner = math.prod(kind.shape[:axis]), math.prod(kind.shape[axis + 1 :])
    if kind.size == 0:
        raise refuse(node, "a dimension has no elements")
    fetch, put = element_access(item)

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        values, target = fn.new(out.at(node.input(2)), "values"), fn.new(out.at(node.output), "target")
        fill_run(fn, target, fetch(values), item, kind.size)
        one = fn.new(fetch(values, offset=item), "one")
        pointers = [
            (fn.new(out.at(node.input(0)), "picks"), [inner * picks.dtype.itemsize, picks.dtype.itemsize]),
            (target, [depth * inner * item, item]),
        ]
        with loops(fn, [outer, inner], pointers) as ((pick, to), _):
            wide = fn.new(load_int(pick, picks.dtype), "wide")
            fn.set(wide, select(i64.add(wide, i64_const(depth)), wide, i64.lt_s(wide, i64_const(0))))
            with fn.if_(i64.lt_u(wide, i64_const(depth))):
                fn.do(put(to + i32.wrap_i64(wide) * (inner * item), one))

    reads = tuple(dict.fromkeys((node.input(0), node.input(2))))
    return Step(name=node.name, op="one_hot", reads=reads, writes=(node.output,), emit=emit)


def _step(node: Node, op: str, emit: Emit) -> Step:
    return Step(name=node.name, op=op, reads=tuple(dict.fromkeys(node.inputs)), writes=(node.output,), emit=emit)


RULES: Rules = {
    "Gather": Rule(lower=_gather, dtypes=EVERY_DTYPE, note=OUTSIDE),
    "GatherElements": Rule(lower=_gather_elements, dtypes=EVERY_DTYPE, note=OUTSIDE),
    "GatherND": Rule(lower=_gather_nd, dtypes=EVERY_DTYPE, note=OUTSIDE),
    "OneHot": Rule(lower=_one_hot, dtypes=NUMBERS, note="a constant depth"),
    "ReverseSequence": Rule(lower=_reverse_sequence, dtypes=EVERY_DTYPE, note="a length beyond the axis traps"),
}
