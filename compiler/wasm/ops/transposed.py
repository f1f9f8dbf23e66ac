"""ConvTranspose of any rank: one contraction for each phase of the output.

Output position ``o`` is met by input ``i`` and tap ``k`` where ``o + begin = i * stride + k * dilation``. Positions
with equal ``o mod stride`` (a phase) share their taps, which are evenly spaced, so each phase is an ordinary
contraction that writes every stride-th element.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.ir.graph import Node
from compiler.wasm.kernels.contract import Contraction, Factor, contract
from compiler.wasm.kernels.copy import copy_layout
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.prepared import Prepared
from compiler.wasm.ops.convolve import add_bias, per_channel
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.ops.spatial import ints
from compiler.wasm.step import Step, StepEmitter

MAX_PHASES = 256
"""Contractions of one node; a stride of 4 in two dimensions has 16."""


@dataclass(frozen=True, kw_only=True)
class _Phase:
    """Along one axis: ``count`` outputs from ``first`` on, ``taps`` taps from ``tap`` on, ``tap_step`` apart.

    Output number ``t`` and tap number ``j`` meet the input at ``start + t - j * back``.
    """

    first: int
    count: int
    tap: int
    tap_step: int
    taps: int
    start: int
    back: int

    @property
    def lowest(self) -> int:
        """The first input position that is met."""
        return self.start - max(self.taps - 1, 0) * self.back

    @property
    def highest(self) -> int:
        """The last one."""
        return self.start + self.count - 1


def _phases(output: int, kernel: int, stride: int, dilation: int, begin: int) -> list[_Phase]:
    found = []
    shared = math.gcd(stride, dilation)
    for first in range(min(stride, output)):
        taps = [tap for tap in range(kernel) if (first + begin - tap * dilation) % stride == 0]
        tap = taps[0] if taps else 0
        found.append(
            _Phase(
                first=first,
                count=len(range(first, output, stride)),
                tap=tap,
                tap_step=stride // shared,
                taps=len(taps),
                start=(first + begin - tap * dilation) // stride,
                back=dilation // shared,
            )
        )
    return found


def _begins(node: Node, kernel: Sequence[int], sizes: Sequence[int], outputs: Sequence[int]) -> tuple[int, ...]:
    """Pads at the front. ``output_shape`` or ``auto_pad`` SAME fix the shape, and the pads follow from it."""
    rank = len(kernel)
    strides, dilations = ints(node, "strides", rank), ints(node, "dilations", rank)
    mode = str(node.attrs.get("auto_pad", "NOTSET"))
    if mode == "VALID":
        return (0,) * rank
    if mode == "NOTSET" and "output_shape" not in node.attrs:
        return ints(node, "pads", 2 * rank, 0)[:rank]
    spare = ints(node, "output_padding", rank, 0)
    totals = [
        (size - 1) * stride + more + (tap - 1) * dilation + 1 - out
        for size, stride, more, tap, dilation, out in zip(
            sizes, strides, spare, kernel, dilations, outputs, strict=True
        )
    ]
    if mode == "SAME_UPPER":
        return tuple(total // 2 for total in totals)
    return tuple(total - total // 2 for total in totals)


def _conv_transpose(node: Node, scope: Scope) -> Step:
    x, w, y = (scope.type_of(name) for name in (node.input(0), node.input(1), node.output))
    groups, kernel = int(node.attrs.get("group", 1)), w.shape[2:]
    if w.rank != x.rank or x.rank < 3 or x.shape[1] != w.shape[0] or x.shape[1] % groups or 0 in (*x.shape, *y.shape):  # noqa: PLR2004 - batch, channels and space
        raise refuse(node, f"expected weights for {list(x.shape)} in {groups} groups, got {list(w.shape)}")
    strides, dilations = ints(node, "strides", len(kernel)), ints(node, "dilations", len(kernel))
    begins = _begins(node, kernel, x.shape[2:], y.shape[2:])
    axes = [_phases(*axis) for axis in zip(y.shape[2:], kernel, strides, dilations, begins, strict=True)]
    if math.prod(map(len, axes)) > MAX_PHASES:
        raise refuse(node, f"expected strides with a product of at most {MAX_PHASES}, got {list(strides)}")
    before = tuple(max(0, *(-phase.lowest for phase in phases)) for phases in axes)
    after = [
        max(0, *(phase.highest - size + 1 for phase in phases)) for phases, size in zip(axes, x.shape[2:], strict=True)
    ]
    spatial = [size + left + right for size, left, right in zip(x.shape[2:], before, after, strict=True)]
    source = Prepared(key="x", value=node.input(0), kind=x, shape=(*x.shape[:2], *spatial), before=(0, 0, *before))
    made = _Transposed(node=node, scope=scope, groups=groups, x=source, before=before)
    apart = strides[-1] > 1  # vectors need rows that are dense
    scratch = dict(source.scratch)
    if apart:
        scratch["phase"] = max(made.part(phases).size for phases in itertools.product(*axes)) * y.dtype.itemsize

    def emit(out: StepEmitter) -> None:
        base = source.address(out)
        for phases in itertools.product(*axes):
            part = made.part(phases)
            dense = Layout.of(part.shape, y.dtype.itemsize) if apart else part
            target = out.scratch("phase") if apart else out.at(node.output)
            contract(out.fn, made.contraction(out, base, phases, target, dense))
            if apart:
                copy_layout(out.fn, out.at(node.output), part, target, dense, y.dtype.itemsize)

    return Step(
        name=node.name,
        op="conv_transpose",
        reads=tuple(dict.fromkeys(filter(None, node.inputs))),
        writes=(node.output,),
        emit=emit,
        scratch=scratch,
        flops=2 * x.size * w.size // w.shape[0],
    )


@dataclass(frozen=True, kw_only=True)
class _Transposed:
    """What all phases have in common."""

    node: Node
    scope: Scope
    groups: int
    x: Prepared
    before: tuple[int, ...]

    def part(self, phases: Sequence[_Phase]) -> Layout:
        """What one phase per axis writes of the output, [N, G, O/G, spatial..]."""
        y = layout(self.scope, self.node.output)
        y = y.split(1, (self.groups, y.shape[1] // self.groups))
        for axis, phase in enumerate(phases):
            y = y.part(axis + 3, phase.first, phase.count, _stride(self.node, axis, len(phases)))
        return y

    def contraction(self, out: StepEmitter, base: int, phases: Sequence[_Phase], target: int, y: Layout) -> Contraction:
        """One phase per axis, written to ``y`` from address ``target`` on."""
        groups, node = self.groups, self.node
        x = self.x.layout.split(1, (groups, self.x.shape[1] // groups))
        w = layout(self.scope, node.input(1))
        w = w.split(0, (groups, w.shape[0] // groups))
        for axis, phase in enumerate(phases):
            w = w.part(axis + 3, phase.tap, phase.taps, phase.tap_step)
            base += (phase.start + self.before[axis]) * x.strides[axis + 3]
        back = tuple(-phase.back * step for phase, step in zip(phases, x.strides[3:], strict=True))
        still = (0,) * len(phases)
        dtype = self.x.dtype
        bias = node.input(2)
        return Contraction(
            shape=y.shape,
            reduced=(w.shape[1], *w.shape[3:]),
            target=Factor(address=target + y.start, dtype=dtype, steps=y.strides),
            factors=(
                Factor(
                    address=base, dtype=dtype, steps=(*x.strides[:2], 0, *x.strides[3:]), sums=(x.strides[2], *back)
                ),
                Factor(
                    address=out.at(node.input(1)) + w.start,
                    dtype=dtype,
                    steps=(0, w.strides[0], w.strides[2], *still),
                    sums=(w.strides[1], *w.strides[3:]),
                ),
            ),
            extras=(per_channel(out, bias, y.shape),) if bias else (),
            accumulate=dtype,
            finish=add_bias,
        )


def _stride(node: Node, axis: int, rank: int) -> int:
    return ints(node, "strides", rank)[axis]


_NOTE = f"strides with a product of at most {MAX_PHASES}"
RULES: Rules = {"ConvTranspose": Rule(lower=_conv_transpose, dtypes=FP32, note=_NOTE)}
