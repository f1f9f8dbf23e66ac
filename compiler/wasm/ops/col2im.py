"""Col2Im: blocks of columns are added up where they overlap in the image."""

from __future__ import annotations

import math

from compiler.ir.graph import Node
from compiler.wasm.kernels.col2im import Blocks, col2im
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.ops.arguments import known_ints
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.ops.spatial import ints
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType

NUMBERS = frozenset({DType.FP32, DType.INT32, DType.INT64})


def _col2im(node: Node, scope: Scope) -> Step:
    image, block = known_ints(node, scope, 1, "image_shape"), known_ints(node, scope, 2, "block_shape")
    kind, source = scope.type_of(node.output), scope.type_of(node.input(0))
    if image is None or block is None or 0 in (*kind.shape, *source.shape) or source.rank != 3:  # noqa: PLR2004 - N, C, L
        raise refuse(node, f"columns of {list(source.shape)}")
    rank, item = len(block), kind.dtype.itemsize
    strides, dilations = ints(node, "strides", rank), ints(node, "dilations", rank)
    pads = ints(node, "pads", 2 * rank, 0)
    extents = [size + pads[axis] + pads[axis + rank] for axis, size in enumerate(image)]
    counts = [
        (extent - dilation * (tap - 1) - 1) // stride + 1
        for extent, dilation, tap, stride in zip(extents, dilations, block, strides, strict=True)
    ]
    batch, channels = kind.shape[:2]
    if math.prod(counts) != source.shape[2] or min(counts) < 1:
        raise refuse(node, f"expected {math.prod(counts)} blocks, got {source.shape[2]}")
    bordered = Layout.of((batch, channels, *extents), item)
    sizes = (batch, channels, *block, *counts)
    taps = [step * dilation for step, dilation in zip(bordered.strides[2:], dilations, strict=True)]
    moves = [step * stride for step, stride in zip(bordered.strides[2:], strides, strict=True)]

    inside = bordered
    for axis, size in enumerate(image):
        inside = inside.part(axis + 2, pads[axis], size)
    blocks = Blocks(
        dtype=kind.dtype,
        sizes=sizes,
        strides=[*bordered.strides[:2], *taps, *moves],
        bordered=bordered,
        inside=inside,
    )

    def emit(out: StepEmitter) -> None:
        col2im(out.fn, blocks, out.at(node.input(0)), out.scratch("image"), out.at(node.output))

    return Step(
        name=node.name,
        op="col2im",
        reads=(node.input(0),),
        writes=(node.output,),
        emit=emit,
        scratch={"image": blocks.work_bytes},
        flops=math.prod(sizes),
    )


RULES: Rules = {"Col2Im": Rule(lower=_col2im, dtypes=NUMBERS, note="constant shapes")}
