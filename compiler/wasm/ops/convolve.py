"""Convolutions of any rank, in NCHW: the form for every shape that no tuned kernel takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.ir.graph import Node
from compiler.wasm.kernels.contract import Contraction, Factor, Finish, contract
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.prepared import Prepared, init_of
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.ops.spatial import Window, window_of
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """What a convolution reads and writes.

    ``channels`` are values with one element per output channel (or one in all), which ``finish`` gets in order.
    """

    window: Window
    groups: int
    x: Prepared
    w: Prepared
    y: str
    y_layout: Layout
    y_dtype: DType
    channels: tuple[str, ...]
    finish: Finish

    def step(self, node: Node, op: str) -> Step:
        """The step."""
        return Step(
            name=node.name,
            op=op,
            reads=tuple(dict.fromkeys((*self.x.reads, *self.w.reads, *self.channels))),
            writes=(self.y,),
            emit=self._emit,
            init=init_of([self.x, self.w]),
            expanded={**self.x.expanded, **self.w.expanded},
            scratch={**self.x.scratch, **self.w.scratch},
            flops=2 * self.y_layout.size * math.prod(self.w.shape[1:]),
        )

    def _emit(self, out: StepEmitter) -> None:
        window, groups = self.window, self.groups
        rank = len(window.kernel)
        x, w = self.x.layout.split(1, (groups, self.x.shape[1] // groups)), self.w.layout
        w = w.split(0, (groups, self.w.shape[0] // groups))
        y = self.y_layout.split(1, (groups, self.y_layout.shape[1] // groups))
        moves = tuple(step * stride for step, stride in zip(x.strides[3:], window.strides, strict=True))
        taps = tuple(step * dilation for step, dilation in zip(x.strides[3:], window.dilations, strict=True))
        still = (0,) * rank
        contract(
            out.fn,
            Contraction(
                shape=y.shape,
                reduced=w.shape[2:],
                target=Factor(address=out.at(self.y), dtype=self.y_dtype, steps=y.strides),
                factors=(
                    Factor(
                        address=self.x.address(out),
                        dtype=self.x.dtype,
                        steps=(*x.strides[:2], 0, *moves),
                        sums=(x.strides[2], *taps),
                    ),
                    Factor(
                        address=self.w.address(out),
                        dtype=self.w.dtype,
                        steps=(0, *w.strides[:2], *still),
                        sums=w.strides[2:],
                    ),
                ),
                extras=tuple(per_channel(out, value, y.shape) for value in self.channels),
                accumulate=self.x.dtype,
                finish=self.finish,
            ),
        )


def per_channel(out: StepEmitter, value: str, shape: Sequence[int]) -> Factor:
    """A value with one element per output channel, or one in all, read for ``shape`` = [N, G, O/G, spatial..]."""
    kind = out.type_of(value)
    item = kind.dtype.itemsize if kind.size > 1 else 0
    steps = (0, item * shape[2], item, *(0,) * (len(shape) - 3))
    return Factor(address=out.at(value), dtype=kind.dtype, steps=steps)


def add_bias(_fn: Function, lanes: Lanes, total: Local, extras: Sequence[Local]) -> Expr:
    """``finish`` of a convolution with or without bias."""
    return lanes.add(total, extras[0]) if extras else total


def conv_window(node: Node, scope: Scope, x: str, w: str) -> Window:
    """The window of a Conv-like node, with its shapes checked."""
    x_shape, w_shape, y_shape = scope.type_of(x).shape, scope.type_of(w).shape, scope.type_of(node.output).shape
    groups = int(node.attrs.get("group", 1))
    if len(x_shape) < 3 or len(w_shape) != len(x_shape) or x_shape[1] != w_shape[1] * groups or w_shape[0] % groups:  # noqa: PLR2004 - batch, channels and space
        raise refuse(node, f"expected weights for {list(x_shape)} in {groups} groups, got {list(w_shape)}")
    return window_of(node, w_shape[2:], x_shape[2:], y_shape[2:])


def _conv(node: Node, scope: Scope) -> Step:
    x, w = node.input(0), node.input(1)
    window = conv_window(node, scope, x, w)
    made = Convolution(
        window=window,
        groups=int(node.attrs.get("group", 1)),
        x=window.bordered("x", x, scope.type_of(x)),
        w=Prepared.plain("w", w, scope.type_of(w)),
        y=node.output,
        y_layout=layout(scope, node.output),
        y_dtype=scope.type_of(node.output).dtype,
        channels=tuple(filter(None, [node.input(2)])),
        finish=add_bias,
    )
    return made.step(node, "conv")


RULES: Rules = {"Conv": Rule(lower=_conv, dtypes=FP32)}
