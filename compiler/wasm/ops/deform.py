"""DeformConv: the input is sampled at shifted taps into columns, which an ordinary contraction then takes."""

from __future__ import annotations

import math

from compiler.ir.graph import Node
from compiler.wasm.kernels.contract import Contraction, Factor, contract
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.sampling import Interpolation, Padding, SampledAxis, blend, crossed
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from compiler.wasm.ops.convolve import add_bias, conv_window, per_channel
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.ops.spatial import Window
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.instructions import f32, f32_const
from wasm_emit.types import Expr

_PLANE = 2


def _deform_conv(node: Node, scope: Scope) -> Step:
    """Inputs: x [N, C, H, W], w [O, C/g, kh, kw], offset [N, og * kh * kw * 2, h, w], bias, mask."""
    x, w, y = node.input(0), node.input(1), scope.type_of(node.output).shape
    shifts = int(node.attrs.get("offset_group", 1))
    window = conv_window(node, scope, x, w)
    if len(window.kernel) != _PLANE or scope.type_of(x).shape[1] % shifts or 0 in y:
        raise refuse(node, f"expected two spatial dimensions and channels in {shifts} offset groups")
    batch, channels = scope.type_of(x).shape[:2]
    columns = (batch, channels, *window.kernel, *window.outputs)

    def emit(out: StepEmitter) -> None:
        _sample(out, node, scope, window, shifts)
        _product(out, node, scope, Layout.of(columns, FLOAT_BYTES))

    return Step(
        name=node.name,
        op="deform_conv",
        reads=tuple(dict.fromkeys(filter(None, node.inputs))),
        writes=(node.output,),
        emit=emit,
        scratch={"columns": math.prod(columns) * FLOAT_BYTES},
        flops=2 * math.prod(y) * math.prod(scope.type_of(w).shape[1:]),
    )


def _sample(out: StepEmitter, node: Node, scope: Scope, window: Window, shifts: int) -> None:
    """Columns [N, C, kh, kw, h, w]: the input at every shifted tap, times the mask."""
    fn = out.fn
    x = layout(scope, node.input(0))
    batch, channels = x.shape[:2]
    sizes = (batch, shifts, *window.kernel, *window.outputs)
    offset = Layout.of((batch, shifts, *window.kernel, _PLANE, *window.outputs), FLOAT_BYTES)
    mask = Layout.of(sizes, FLOAT_BYTES)
    columns = Layout.of((batch, shifts, channels // shifts, *window.kernel, *window.outputs), FLOAT_BYTES)
    axes = [
        SampledAxis(size=size, stride=stride, padding=Padding.ZEROS)
        for size, stride in zip(window.sizes, x.strides[2:], strict=True)
    ]
    pointers = [
        (fn.new(out.at(node.input(0)), "x"), [x.strides[0], x.strides[1] * (channels // shifts), 0, 0, 0, 0]),
        (fn.new(out.at(node.input(2)), "offset"), [*offset.strides[:4], *offset.strides[5:]]),
        (fn.new(out.scratch("columns"), "columns"), [*columns.strides[:2], *columns.strides[3:]]),
        (fn.new(out.at(node.input(4)) if node.input(4) else 0, "mask"), mask.strides if node.input(4) else [0] * 6),
    ]
    with loops(fn, sizes, pointers, indexed=frozenset({2, 3, 4, 5})) as ((image, shift, to, weight), indices):
        taps = []
        for number, axis in enumerate(axes):
            moved = fn.new(f32.load(shift, offset=number * offset.strides[4]), "moved")
            regular = _regular(window, number, indices[2 + number], indices[4 + number])
            taps.append(axis.taps(fn, f32.add(f32.convert_i32_s(regular), moved), Interpolation.LINEAR))
        every = crossed(fn, taps)
        scale = fn.new(f32.load(weight) if node.input(4) else f32_const(1.0), "scale")
        per = [(image, [x.strides[1]]), (to, [columns.strides[2]])]
        with loops(fn, [channels // shifts], per) as ((plane, element), _):
            fn.do(f32.store(element, f32.mul(blend(plane, every), scale)))


def _regular(window: Window, axis: int, tap: Expr, place: Expr) -> Expr:
    """The position that an ordinary convolution reads (i32)."""
    return place * window.strides[axis] + tap * window.dilations[axis] - window.begin[axis]


def _product(out: StepEmitter, node: Node, scope: Scope, columns: Layout) -> None:
    groups = int(node.attrs.get("group", 1))
    x = columns.split(1, (groups, columns.shape[1] // groups))
    w = layout(scope, node.input(1))
    w = w.split(0, (groups, w.shape[0] // groups))
    y = layout(scope, node.output)
    y = y.split(1, (groups, y.shape[1] // groups))
    bias = node.input(3)
    contract(
        out.fn,
        Contraction(
            shape=y.shape,
            reduced=w.shape[2:],
            target=Factor(address=out.at(node.output), dtype=DType.FP32, steps=y.strides),
            factors=(
                Factor(
                    address=out.scratch("columns"),
                    dtype=DType.FP32,
                    steps=(*x.strides[:2], 0, *x.strides[5:]),
                    sums=x.strides[2:5],
                ),
                Factor(
                    address=out.at(node.input(1)),
                    dtype=DType.FP32,
                    steps=(0, *w.strides[:2], 0, 0),
                    sums=w.strides[2:],
                ),
            ),
            extras=(per_channel(out, bias, y.shape),) if bias else (),
            accumulate=DType.FP32,
            finish=add_bias,
        ),
    )


RULES: Rules = {"DeformConv": Rule(lower=_deform_conv, dtypes=FP32, note="two spatial dimensions")}
