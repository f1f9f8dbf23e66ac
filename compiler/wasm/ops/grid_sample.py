"""GridSample: reading between elements at the positions of a grid, in two or three dimensions."""

from __future__ import annotations

import math

from compiler.ir.graph import Node
from compiler.wasm.kernels.grid_sample import Sampling, grid_sample
from compiler.wasm.kernels.sampling import Interpolation, Padding, SampledAxis
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter

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
    sampling = Sampling(
        images=x.shape[0],
        channels=x.shape[1],
        places=math.prod(grid.shape[1:-1]),
        axes=axes,
        interpolation=Interpolation(how),
        align=align,
    )

    def emit(out: StepEmitter) -> None:
        grid_sample(out.fn, sampling, out.at(node.input(0)), out.at(node.input(1)), out.at(node.output))

    return Step(
        name=node.name, op="grid_sample", reads=tuple(dict.fromkeys(node.inputs)), writes=(node.output,), emit=emit
    )


RULES: Rules = {"GridSample": Rule(lower=_grid_sample, dtypes=FP32)}
