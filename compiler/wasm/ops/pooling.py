"""Pooling of any rank, in NCHW: MaxPool (with indices), AveragePool, LpPool and their global forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.contract import Combine, Contraction, Factor, Finish, as_it_is, contract, product_sum
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.prepared import Prepared
from compiler.wasm.math.exponential import exp
from compiler.wasm.math.logarithm import log
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.argpool import lowest, max_pool_with_indices
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.ops.spatial import Window, ints, window_of
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

SQUARE = 2
"""The power whose root is an instruction."""

POOLED = FP32 | {DType.INT8, DType.UINT8, DType.INT32, DType.INT64}


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """One pooling: ``divisors`` has an element per output position (spatial shape), for ``finish``."""

    node: Node
    window: Window
    x: Prepared
    start: float
    combine: Combine
    finish: Finish = as_it_is
    divisors: NDArray[Any] | None = None

    def step(self, op: str) -> Step:
        """The step."""
        return Step(
            name=self.node.name,
            op=op,
            reads=self.x.reads,
            writes=(self.node.output,),
            emit=self._emit,
            scratch=self.x.scratch,
            constants={} if self.divisors is None else {"divisors": self.divisors},
            flops=math.prod((*self.x.shape[:2], *self.window.outputs, *self.window.kernel)),
        )

    def _emit(self, out: StepEmitter) -> None:
        kind = out.type_of(self.node.output)
        x, window = self.x.layout, self.window
        moves = tuple(step * stride for step, stride in zip(x.strides[2:], window.strides, strict=True))
        taps = tuple(step * dilation for step, dilation in zip(x.strides[2:], window.dilations, strict=True))
        y = Layout.of(kind.shape, kind.dtype.itemsize)
        target = Factor(address=out.at(self.node.output), dtype=kind.dtype, steps=y.strides)
        extras: tuple[Factor, ...] = ()
        if self.divisors is not None:
            inner = Layout.of(self.divisors.shape, kind.dtype.itemsize).strides
            extras = (Factor(address=out.constant("divisors"), dtype=kind.dtype, steps=(0, 0, *inner)),)
        contract(
            out.fn,
            Contraction(
                shape=kind.shape,
                reduced=window.kernel,
                target=target,
                factors=(
                    Factor(address=self.x.address(out), dtype=self.x.dtype, steps=(*x.strides[:2], *moves), sums=taps),
                ),
                extras=extras,
                accumulate=self.x.dtype,
                start=self.start,
                combine=self.combine,
                finish=self.finish,
            ),
        )


def _window(node: Node, scope: Scope) -> Window:
    """The window; the whole of space for a global operator."""
    x, y = scope.type_of(node.input(0)).shape, scope.type_of(node.output).shape
    if node.op.startswith("Global"):
        rank = len(x) - 2
        if 0 in x:
            raise refuse(node, "a spatial dimension has no elements")
        one, none = (1,) * rank, (0,) * rank
        return Window(kernel=x[2:], strides=one, dilations=one, begin=none, end=none, sizes=x[2:], outputs=y[2:])
    return window_of(node, ints(node, "kernel_shape", len(x) - 2), x[2:], y[2:])


def _largest(lanes: Lanes, total: Expr, values: Sequence[Expr]) -> Expr:
    return lanes.max(total, values[0])


def _max_pool(node: Node, scope: Scope) -> Step:
    if len(node.outputs) > 1 and node.outputs[1]:
        return max_pool_with_indices(node, scope, _window(node, scope))
    kind = scope.type_of(node.input(0))
    window = _window(node, scope)
    low = lowest(kind.dtype)
    x = window.bordered("x", node.input(0), kind, fill=low)
    return Pooling(node=node, window=window, x=x, start=low, combine=_largest).step("max_pool")


def _average_pool(node: Node, scope: Scope) -> Step:
    kind = scope.type_of(node.input(0))
    window = _window(node, scope)
    divisors = _counts(window, with_pads=bool(node.attrs.get("count_include_pad", 0)))
    return Pooling(
        node=node,
        window=window,
        x=window.bordered("x", node.input(0), kind),
        start=0.0,
        combine=product_sum,
        finish=lambda _fn, lanes, total, extras: lanes.div(total, extras[0]),
        divisors=divisors.astype(kind.dtype.numpy_name),
    ).step("average_pool")


def _counts(window: Window, *, with_pads: bool) -> NDArray[Any]:
    """How many elements each window averages: those of the input, or those of input and pads (never beyond)."""
    axes = []
    for axis, size in enumerate(window.sizes):
        low, high = (-window.begin[axis], size + window.end[axis]) if with_pads else (0, size)
        first = np.arange(window.outputs[axis]) * window.strides[axis] - window.begin[axis]
        taps = first[:, None] + np.arange(window.kernel[axis]) * window.dilations[axis]
        axes.append(np.maximum(((taps >= low) & (taps < high)).sum(axis=1), 1))
    counts = np.ones(window.outputs)
    for axis, count in enumerate(axes):
        counts = counts * np.expand_dims(count, tuple(other for other in range(len(axes)) if other != axis))
    return counts


def _lp_pool(node: Node, scope: Scope) -> Step:
    """The p-th root of the sum of the p-th powers, for whole p; roots beyond the square by logarithm."""
    power = int(node.attrs.get("p", 2))
    kind = scope.type_of(node.input(0))
    if power < 1 or (power > SQUARE and kind.dtype is not DType.FP32):
        raise refuse(node, f"p of {power} for {kind.dtype.value}")
    window = _window(node, scope)

    def combine(lanes: Lanes, total: Expr, values: Sequence[Expr]) -> Expr:
        size = values[0] if power % 2 == 0 else lanes.abs(values[0])
        raised = size
        for _ in range(power - 1):
            raised = lanes.mul(raised, size)
        return lanes.add(total, raised)

    def finish(fn: Function, lanes: Lanes, total: Local, _extras: Sequence[Local]) -> Expr:
        if power <= SQUARE:
            return total if power == 1 else lanes.sqrt(total)
        return exp(fn, lanes, lanes.div(log(fn, lanes, total), lanes.const(power)))

    x = window.bordered("x", node.input(0), kind)
    return Pooling(node=node, window=window, x=x, start=0.0, combine=combine, finish=finish).step("lp_pool")


RULES: Rules = {
    "AveragePool": Rule(lower=_average_pool, dtypes=FP32),
    "GlobalAveragePool": Rule(lower=_average_pool, dtypes=FP32),
    "GlobalLpPool": Rule(lower=_lp_pool, dtypes=FP32, note="whole p"),
    "GlobalMaxPool": Rule(lower=_max_pool, dtypes=POOLED),
    "LpPool": Rule(lower=_lp_pool, dtypes=FP32, note="whole p"),
    "MaxPool": Rule(lower=_max_pool, dtypes=POOLED),
}
