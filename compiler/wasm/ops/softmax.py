"""``Softmax``, ``LogSoftmax``, ``Hardmax``, ``ArgMax`` and ``ArgMin``: along one axis."""

from __future__ import annotations

import math

from compiler.ir.graph import Node
from compiler.wasm.kernels.extreme import place_of_extreme
from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.softmax import softmax_columns, softmax_rows
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.sizes import FLOAT_LANES, INDEX_BYTES
from compiler.wasm.numerics.storage import store
from compiler.wasm.ops.arguments import axis_of
from compiler.wasm.ops.dtypes import FP32, NUMBERS
from compiler.wasm.ops.rule import Lower, Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.instructions import i64, memory

_FLOPS = 25
"""Operations per element of a softmax, for people: the exponential is most of it."""


def _softmax(*, logarithm: bool) -> Lower:
    def lower(node: Node, scope: Scope) -> Step:
        outer, size, inner = _around(node, scope, default=-1)

        def emit(e: StepEmitter) -> None:
            source, target = e.at(node.input(0)), e.at(node.output)
            if outer * size * inner == 0:
                return
            if inner == 1:
                softmax_rows(e.fn, outer, size, source, target, logarithm=logarithm)
            else:
                softmax_columns(e.fn, outer, size, inner, source, target, logarithm=logarithm)

        # A row's last vector must not reach into the next row.
        in_place = inner > 1 or outer == 1 or size % FLOAT_LANES == 0
        return Step(
            name=node.name,
            op=node.op.lower(),
            reads=(node.input(0),),
            writes=(node.output,),
            emit=emit,
            shares=((node.input(0), node.output),) if in_place else (),
            flops=_FLOPS * outer * size * inner,
        )

    return lower


def _hardmax(node: Node, scope: Scope) -> Step:
    outer, size, inner = _around(node, scope, default=-1)
    kind = scope.type_of(node.input(0))
    lanes, item = Lanes(kind.dtype, 1), kind.dtype.itemsize

    def emit(e: StepEmitter) -> None:
        if kind.size == 0:
            return
        fn, steps = e.fn, [size * inner * item, item]
        bases = [(fn.new(e.at(name), "base"), steps) for name in (node.input(0), node.output)]
        fn.do(memory.fill(e.at(node.output), 0, kind.nbytes))
        with loops(fn, [outer, inner], bases) as ((line, out), _):
            place = place_of_extreme(fn, lanes, line, size, inner * item)
            fn.do(store(lanes, out + place * (inner * item), lanes.const(1)))

    return Step(name=node.name, op="hardmax", reads=(node.input(0),), writes=(node.output,), emit=emit)


def _argument(*, least: bool) -> Lower:
    def lower(node: Node, scope: Scope) -> Step:
        outer, size, inner = _around(node, scope, default=0)
        if size == 0:
            raise refuse(node, "expected at least one element along the axis")
        dtype = scope.type_of(node.input(0)).dtype
        last = bool(node.attrs.get("select_last_index", 0))
        lanes, item = Lanes(dtype, 1), dtype.itemsize

        def emit(e: StepEmitter) -> None:
            fn = e.fn
            if outer * inner == 0:
                return
            bases = [
                (fn.new(e.at(node.input(0)), "base"), [size * inner * item, item]),
                (fn.new(e.at(node.output), "base"), [inner * INDEX_BYTES, INDEX_BYTES]),
            ]
            with loops(fn, [outer, inner], bases) as ((line, out), _):
                place = place_of_extreme(fn, lanes, line, size, inner * item, least=least, last=last)
                fn.do(i64.store(out, i64.extend_i32_u(place)))

        return Step(
            name=node.name, op=node.op.lower(), reads=(node.input(0),), writes=(node.output,), emit=emit,
            flops=outer * size * inner,
        )  # fmt: skip

    return lower


def _around(node: Node, scope: Scope, *, default: int) -> tuple[int, int, int]:
    """Elements before the axis, along it, and behind it."""
    shape = scope.type_of(node.input(0)).shape
    if not shape:
        return 1, 1, 1
    axis = axis_of(node, len(shape), default)
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


_NAN = "NaN is never the extreme, unless it comes first"

RULES: Rules = {
    "ArgMax": Rule(lower=_argument(least=False), dtypes=NUMBERS, note=_NAN),
    "ArgMin": Rule(lower=_argument(least=True), dtypes=NUMBERS, note=_NAN),
    "Hardmax": Rule(lower=_hardmax, dtypes=FP32),
    "LogSoftmax": Rule(lower=_softmax(logarithm=True), dtypes=FP32),
    "Softmax": Rule(lower=_softmax(logarithm=False), dtypes=FP32),
}
