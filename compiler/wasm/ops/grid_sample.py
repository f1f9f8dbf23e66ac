"""GridSample: reading between elements at the positions of a grid, in two or three dimensions."""

from __future__ import annotations

import math

from compiler.ir.graph import Node
from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.sampling import Interpolation, Padding, SampledAxis, blend, crossed
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.function import Local
from wasm_emit.instructions import f32, f32_const
from wasm_emit.types import Expr

_MODES = {"bilinear": "linear", "bicubic": "cubic"}
"""Names of opset 16 for those of opset 20."""


def _grid_sample(node: Node, scope: Scope) -> Step:
    x, grid = scope.type_of(node.input(0)), scope.type_of(node.input(1))
    mode, padding = str(node.attrs.get("mode", "linear")), str(node.attrs.get("padding_mode", "zeros"))
    how = _MODES.get(mode, mode)
    if how not in list(Interpolation) or padding not in list(Padding) or 0 in (*x.shape, *grid.shape):
        raise refuse(node, f"mode {mode!r} with padding {padding!r} over {list(grid.shape)}")
    align = bool(node.attrs.get("align_corners", 0))
    strides = layout(scope, node.input(0)).strides
    axes = [
        SampledAxis(
            size=size,
            stride=stride,
            padding=Padding(padding),
            low=0.0 if align else -0.5,
            high=size - 1 if align else size - 0.5,
        )
        for size, stride in zip(x.shape[2:], strides[2:], strict=True)
    ]
    rank, places = len(axes), math.prod(grid.shape[1:-1])
    plane = math.prod(x.shape[2:]) * FLOAT_BYTES

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        pointers = [
            (fn.new(out.at(node.input(0)), "x"), [x.shape[1] * plane, 0]),
            (fn.new(out.at(node.input(1)), "grid"), [places * rank * FLOAT_BYTES, rank * FLOAT_BYTES]),
            (fn.new(out.at(node.output), "target"), [x.shape[1] * places * FLOAT_BYTES, FLOAT_BYTES]),
        ]
        with loops(fn, [x.shape[0], places], pointers) as ((image, point, to), _):
            taps = []
            for number, axis in enumerate(axes):  # the grid holds x, y, ..: the last axis first
                given = fn.new(f32.load(point, offset=(rank - 1 - number) * FLOAT_BYTES), "given")
                taps.append(axis.taps(fn, _unnormalised(given, axis.size, align=align), Interpolation(how)))
            every = crossed(fn, taps)
            with loops(fn, [x.shape[1]], [(image, [plane]), (to, [places * FLOAT_BYTES])]) as ((channel, element), _):
                fn.do(f32.store(element, blend(channel, every)))

    return Step(
        name=node.name, op="grid_sample", reads=tuple(dict.fromkeys(node.inputs)), writes=(node.output,), emit=emit
    )


def _unnormalised(given: Local, size: int, *, align: bool) -> Expr:
    """From [-1, 1] to elements; -1 and 1 are the centres of the outer elements if ``align``, else their outer edges."""
    moved = f32.add(given, f32_const(1.0))
    if align:
        return f32.mul(f32.div(moved, f32_const(2.0)), f32_const(size - 1))
    return f32.div(f32.sub(f32.mul(moved, f32_const(size)), f32_const(1.0)), f32_const(2.0))


RULES: Rules = {"GridSample": Rule(lower=_grid_sample, dtypes=FP32)}
