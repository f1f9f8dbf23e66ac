"""Writing by indices that are data: ScatterElements (and Scatter), ScatterND, TensorScatter.

The first input is copied, unless it lies at the output's place already. An index outside its axis traps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from compiler.ir.graph import Node
from compiler.wasm.kernels.copy import copy_run
from compiler.wasm.kernels.indices import OUTSIDE, load_index
from compiler.wasm.kernels.loops import loops
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.storage import load, store
from compiler.wasm.ops.arguments import axis_of
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import EVERY_DTYPE
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Emit, Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32
from wasm_emit.types import Expr

_COMBINE: Mapping[str, Callable[[Lanes, Expr, Expr], Expr]] = {
    "add": lambda lanes, old, new: lanes.add(old, new),
    "mul": lambda lanes, old, new: lanes.mul(old, new),
    "max": lambda lanes, old, new: lanes.max(old, new),
    "min": lambda lanes, old, new: lanes.min(old, new),
}


def _reduction(node: Node, dtype: DType) -> str:
    found = str(node.attrs.get("reduction", "none"))
    if found not in ("none", *_COMBINE):
        raise refuse(node, f"expected reduction none, add, mul, max or min, got {found!r}")
    if found != "none" and dtype in (DType.BOOL, DType.FP16):
        raise refuse(node, f"cannot reduce {dtype.value}")
    return found


def _start(out: StepEmitter, node: Node) -> None:
    """The first input's elements at the output's place."""
    source, target = out.at(node.input(0)), out.at(node.output)
    if source != target:
        copy_run(out.fn, out.fn.new(target), out.fn.new(source), out.type_of(node.output).nbytes)


def _update(fn: Function, dtype: DType, reduction: str, to: Local, come: Expr) -> None:
    """One element of the updates into the output."""
    if reduction == "none":
        copy_run(fn, to, come, dtype.itemsize)
        return
    lanes = Lanes(dtype, 1)
    old, new = fn.new(load(lanes, to), "old"), fn.new(load(lanes, come), "new")
    fn.do(store(lanes, to, fn.new(_COMBINE[reduction](lanes, old, new), "y")))


def _scatter_elements(node: Node, scope: Scope) -> Step:
    kind, picks = scope.type_of(node.output), scope.type_of(node.input(1))
    axis = axis_of(node, kind.rank)
    target, places = layout(scope, node.output), layout(scope, node.input(1))
    reduction = _reduction(node, kind.dtype)
    if kind.size * picks.size == 0:
        raise refuse(node, "a dimension has no elements")

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        _start(out, node)
        pointers = [
            (fn.new(out.at(node.output), "target"), target.with_axis(axis, 1, 0).strides),
            (fn.new(out.at(node.input(1)), "picks"), places.strides),
            (fn.new(out.at(node.input(2)), "updates"), layout(scope, node.input(2)).strides),
        ]
        with loops(fn, picks.shape, pointers) as ((line, pick, update), _):
            index = load_index(fn, pick, picks.dtype, kind.shape[axis])
            to = fn.new(line + index * target.strides[axis], "to")
            _update(fn, kind.dtype, reduction, to, update)

    return _step(node, "scatter_elements", emit)


def _scatter_nd(node: Node, scope: Scope) -> Step:
    kind, picks = scope.type_of(node.output), scope.type_of(node.input(1))
    depth, item = picks.shape[-1], kind.dtype.itemsize
    strides = layout(scope, node.output).strides
    rows, inner = math.prod(picks.shape[:-1]), math.prod(kind.shape[depth:])
    reduction = _reduction(node, kind.dtype)
    if kind.size * picks.size == 0:
        raise refuse(node, "a dimension has no elements")

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        _start(out, node)
        pointers = [
            (fn.new(out.at(node.input(1)), "picks"), [depth * picks.dtype.itemsize]),
            (fn.new(out.at(node.input(2)), "updates"), [inner * item]),
        ]
        with loops(fn, [rows], pointers) as ((pick, update), _):
            to = fn.new(out.at(node.output), "to")
            for part in range(depth):
                place = fn.new(pick + part * picks.dtype.itemsize, "pick")
                index = load_index(fn, place, picks.dtype, kind.shape[part])
                fn.advance(to, index * strides[part])
            if reduction == "none":
                copy_run(fn, to, update, inner * item)
                return
            with loops(fn, [inner], [(to, [item]), (update, [item])]) as ((one, come), _):
                _update(fn, kind.dtype, reduction, fn.new(one, "one"), come)

    return _step(node, "scatter_nd", emit)


def _tensor_scatter(node: Node, scope: Scope) -> Step:
    """Updates of a cache: item ``b`` is written from position ``write_indices[b]`` on (0 when left out)."""
    kind, update = scope.type_of(node.output), scope.type_of(node.input(1))
    axis = axis_of(node, kind.rank, -2)
    circular = str(node.attrs.get("mode", "linear")) == "circular"
    size, length = kind.shape[axis], update.shape[axis]
    batch, middle = kind.shape[0], math.prod(kind.shape[1:axis])
    inner = math.prod(kind.shape[axis + 1 :]) * kind.dtype.itemsize
    if kind.size * update.size == 0 or axis == 0:
        raise refuse(node, "expected an axis behind the batch, and no empty dimension")
    writes = node.input(2)
    index_dtype = scope.type_of(writes).dtype if writes else DType.INT64

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        _start(out, node)
        first = fn.new(out.at(writes), "first") if writes else fn.new(0, "first")
        pointers = [
            (fn.new(out.at(node.output), "target"), [kind.nbytes // batch, size * inner, 0]),
            (fn.new(out.at(node.input(1)), "updates"), [update.nbytes // batch, length * inner, inner]),
            (first, [index_dtype.itemsize if writes else 0, 0, 0]),
        ]
        sizes = [batch, middle, length]
        with loops(fn, sizes, pointers, indexed=frozenset({2})) as ((line, come, at), (_, _, time)):
            begin = load_index(fn, at, index_dtype, size, negative=False) if writes else fn.new(0, "begin")
            place = fn.new(begin + time, "place")
            if circular:
                fn.set(place, i32.rem_u(place, size))
            with fn.if_(i32.ge_u(place, size)):
                fn.trap()
            copy_run(fn, fn.new(line + place * inner, "to"), come, inner)

    return _step(node, "tensor_scatter", emit)


def _step(node: Node, op: str, emit: Emit) -> Step:
    reads = tuple(dict.fromkeys(filter(None, node.inputs)))
    later = node.inputs[1:]
    shares = () if node.input(0) in later else ((node.input(0), node.output),)
    return Step(name=node.name, op=op, reads=reads, writes=(node.output,), emit=emit, shares=shares)


RULES: Rules = {
    "Scatter": Rule(lower=_scatter_elements, dtypes=EVERY_DTYPE, note=OUTSIDE),
    "ScatterElements": Rule(lower=_scatter_elements, dtypes=EVERY_DTYPE, note=OUTSIDE),
    "ScatterND": Rule(lower=_scatter_nd, dtypes=EVERY_DTYPE, note=OUTSIDE),
    "TensorScatter": Rule(lower=_tensor_scatter, dtypes=EVERY_DTYPE, note=OUTSIDE),
}
