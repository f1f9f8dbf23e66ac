"""Pass ``residuals``: a sum of stored values becomes the epilogue of the integer convolution behind one of them.

Requires: ``integers`` ran.
Ensures:
    1. a ``skerry.qadd`` of a ``skerry.qconv2d``'s result, which only it reads, and a value that is ready before that
       convolution can run, is the convolution's residual; of two candidates the later one is taken;
    2. only where the order of the two operands makes no difference to any pair of stored values, or where the
       convolution's result is the first: ONNX Runtime adds with fused multiply-adds, which do not commute.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.kernels.int8.add import commutes, find_addition
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.draft import Draft
from compiler.wasm.specs import QBinary, QConv2d, QResidual

NAME = "residuals"


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Fuse every sum that the rules cover."""
    draft = Draft(graph)
    for node in graph.nodes:
        if node.op != "skerry.qadd" or not _fuse(draft, node):
            draft.emit(node)
    return draft.finish()


def _fuse(draft: Draft, node: Node) -> bool:
    sides = sorted((0, 1), key=lambda side: -draft.place(node.input(side)))
    for side in sides:
        value, other = node.input(side), node.input(1 - side)
        conv = draft.maker(value)
        if conv is None or conv.op != "skerry.qconv2d" or conv.input(3) or not draft.only_use(value):
            continue
        if not _allowed(node.attrs["spec"], conv.attrs["spec"], first=side == 0):
            continue
        draft.move_to_end(conv, _joined(conv, node, other, side))
        return True
    return False


def _joined(conv: Node, add: Node, other: str, side: int) -> Node:
    spec: QBinary = add.attrs["spec"]
    residual = QResidual(other=(spec.b, spec.a)[side], y=spec.y, low=spec.low, high=spec.high)
    attrs = {"spec": replace(conv.attrs["spec"], residual=residual)}
    return replace(conv, inputs=(*conv.inputs[:3], other), outputs=add.outputs, attrs=attrs)


def _allowed(add: QBinary, conv: QConv2d, *, first: bool) -> bool:
    """Rule 2."""
    inner, other = (add.a, add.b) if first else (add.b, add.a)
    range_ = (conv.low, conv.high)
    found = find_addition(inner, other, add.y, range_)
    return found is not None and (first or commutes(inner, other, add.y))
