"""The ``Reduce`` family: sums, means, extremes, products and norms over a set of axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from compiler.ir.graph import Node, ValueType
from compiler.wasm.kernels.reduce import Map, Reduced, Reduction, reduce_axes
from compiler.wasm.math.exponential import exp
from compiler.wasm.math.logarithm import log
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.arguments import known_ints, normal_axes
from compiler.wasm.ops.dtypes import BOOL, FP32, NUMBERS
from compiler.wasm.ops.rule import Rule, Rules, Scope
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

Make = Callable[[ValueType, int], Reduction]
"""The reduction for an input's type and the number of elements behind one output."""


def reduced_axes(node: Node, scope: Scope) -> frozenset[int]:
    """The axes of a ``Reduce`` node: all if none are named, unless ``noop_with_empty_axes`` says none."""
    axes = known_ints(node, scope, 1, "axes")
    if not axes:
        axes = () if node.attrs.get("noop_with_empty_axes", 0) else None
    return frozenset(normal_axes(axes, scope.type_of(node.input(0)).rank))


def _rule(make: Make, dtypes: frozenset[DType]) -> Rule:
    def lower(node: Node, scope: Scope) -> Step:
        source = scope.type_of(node.input(0))
        axes = reduced_axes(node, scope)
        count = math.prod(source.shape[axis] for axis in axes)

        def emit(e: StepEmitter) -> None:
            reduce_axes(e.fn, _place(e, node, axes), make(source, count))

        return _step(node, emit, source)

    return Rule(lower=lower, dtypes=dtypes)


def _place(e: StepEmitter, node: Node, axes: frozenset[int]) -> Reduced:
    kind = e.type_of(node.input(0))
    return Reduced(shape=kind.shape, axes=axes, dtype=kind.dtype, source=e.at(node.input(0)), target=e.at(node.output))


def _step(node: Node, emit: Callable[[StepEmitter], None], source: ValueType, scratch: int = 0) -> Step:
    return Step(
        name=node.name,
        op=node.op.lower(),
        reads=(node.input(0),),
        writes=(node.output,),
        emit=emit,
        scratch={"most": scratch} if scratch else {},
        flops=source.size,
    )


def _sum(_: ValueType, __: int, *, prepare: Map | None = None, finish: Map | None = None) -> Reduction:
    return Reduction(identity=0, combine=lambda lanes, a, b: lanes.add(a, b), prepare=prepare, finish=finish)


def _mean(kind: ValueType, count: int) -> Reduction:
    def finish(_fn: Function, lanes: Lanes, total: Local, _: Sequence[Local]) -> Expr:
        return lanes.div(total, lanes.const(count))

    return _sum(kind, count, finish=finish)


def _maximum(kind: ValueType, _: int) -> Reduction:
    least, _most = _range(kind.dtype)
    if kind.dtype is DType.BOOL:
        return Reduction(identity=least, combine=lambda lanes, a, b: lanes.either(a, b))
    return Reduction(identity=least, combine=lambda lanes, a, b: lanes.max(a, b))


def _minimum(kind: ValueType, _: int) -> Reduction:
    _least, most = _range(kind.dtype)
    if kind.dtype is DType.BOOL:
        return Reduction(identity=most, combine=lambda lanes, a, b: lanes.both(a, b))
    return Reduction(identity=most, combine=lambda lanes, a, b: lanes.min(a, b))


def _range(dtype: DType) -> tuple[float, float]:
    """The least and the greatest value."""
    if dtype.is_float:
        return -math.inf, math.inf
    if dtype is DType.BOOL:
        return 0, 1
    limits = np.iinfo(dtype.numpy_name)
    return int(limits.min), int(limits.max)


def _product(_: ValueType, __: int) -> Reduction:
    return Reduction(identity=1, combine=lambda lanes, a, b: lanes.mul(a, b))


def _absolute(_fn: Function, lanes: Lanes, x: Local, _: Sequence[Local]) -> Expr:
    return lanes.abs(x) if lanes.signed else x


def _square(_fn: Function, lanes: Lanes, x: Local, _: Sequence[Local]) -> Expr:
    return lanes.mul(x, x)


def _root(_fn: Function, lanes: Lanes, total: Local, _: Sequence[Local]) -> Expr:
    return lanes.sqrt(total)


def _logarithm(fn: Function, lanes: Lanes, total: Local, _: Sequence[Local]) -> Expr:
    return log(fn, lanes, total)


def _log_sum_exp(node: Node, scope: Scope) -> Step:
    """The maximum first, so that nothing overflows: log(sum(e^(x - max))) + max."""
    source = scope.type_of(node.input(0))
    axes = reduced_axes(node, scope)

    def emit(e: StepEmitter) -> None:
        place = _place(e, node, axes)
        most = e.scratch("most")
        first = Reduced(shape=place.shape, axes=axes, dtype=place.dtype, source=place.source, target=most)
        reduce_axes(e.fn, first, _maximum(source, 0))
        second = Reduced(
            shape=place.shape, axes=axes, dtype=place.dtype, source=place.source, target=place.target,
            companions=(most,),
        )  # fmt: skip
        reduce_axes(e.fn, second, _sum(source, 0, prepare=_exp_below, finish=_log_above))

    return _step(node, emit, source, scratch=scope.type_of(node.output).nbytes)


def _finite(fn: Function, lanes: Lanes, most: Local) -> Local:
    """The maximum, or 0 where it is infinite and would make a difference NaN."""
    infinite = lanes.eq(lanes.abs(most), lanes.const(math.inf))
    return fn.new(lanes.select(infinite, lanes.const(0.0), most), "most")


def _exp_below(fn: Function, lanes: Lanes, x: Local, beside: Sequence[Local]) -> Expr:
    (most,) = beside
    return exp(fn, lanes, lanes.sub(x, _finite(fn, lanes, most)))


def _log_above(fn: Function, lanes: Lanes, total: Local, beside: Sequence[Local]) -> Expr:
    (most,) = beside
    return lanes.add(log(fn, lanes, total), _finite(fn, lanes, most))


RULES: Rules = {
    "ReduceL1": _rule(lambda kind, count: _sum(kind, count, prepare=_absolute), NUMBERS),
    "ReduceL2": _rule(lambda kind, count: _sum(kind, count, prepare=_square, finish=_root), FP32),
    "ReduceLogSum": _rule(lambda kind, count: _sum(kind, count, finish=_logarithm), FP32),
    "ReduceLogSumExp": Rule(lower=_log_sum_exp, dtypes=FP32),
    "ReduceMax": _rule(_maximum, NUMBERS | BOOL),
    "ReduceMean": _rule(_mean, FP32),
    "ReduceMin": _rule(_minimum, NUMBERS | BOOL),
    "ReduceProd": _rule(_product, NUMBERS),
    "ReduceSum": _rule(_sum, NUMBERS),
    "ReduceSumSquare": _rule(lambda kind, count: _sum(kind, count, prepare=_square), NUMBERS),
}
