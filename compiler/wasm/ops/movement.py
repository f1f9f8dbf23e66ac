"""Operators that only rearrange: each is a list of copies between layouts known at compile time, or a view."""

from __future__ import annotations

import math

from compiler.ir.graph import Node
from compiler.wasm.ops.arguments import axis_of, known_ints, normal_axes
from compiler.wasm.ops.copies import Copy, copies, layout, view, whole
from compiler.wasm.ops.dtypes import EVERY_DTYPE
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step


def _transpose(node: Node, scope: Scope) -> Step:
    source = layout(scope, node.input(0))
    order = tuple(node.attrs.get("perm", range(len(source.shape))[::-1]))
    moved = [axis for axis in order if source.shape[axis] > 1]
    if moved == sorted(moved):  # only axes of one element move
        return view(node, scope)
    return whole(node, scope, source.permute(order), "transpose")


def _slice(node: Node, scope: Scope) -> Step:
    source = layout(scope, node.input(0))
    starts, ends = known_ints(node, scope, 1, "starts"), known_ints(node, scope, 2, "ends")
    if starts is None or ends is None:
        raise refuse(node, "expected starts and ends")
    axes = known_ints(node, scope, 3, "axes")
    steps = known_ints(node, scope, 4, "steps") or (1,) * len(starts)
    rank = len(source.shape)
    for axis, start, end, step in zip(normal_axes(axes, rank), starts, ends, steps, strict=False):
        taken = _taken(source.shape[axis], start, end, step)
        source = source.part(axis, taken.start, len(taken), step)
    return whole(node, scope, source, "slice")


def _taken(size: int, start: int, end: int, step: int) -> range:
    """Indices of a slice. Bounds are clamped as ONNX says, which is not quite what Python does."""
    first, last = (bound + size if bound < 0 else bound for bound in (start, end))
    if step > 0:
        return range(min(max(first, 0), size), min(max(last, 0), size), step)
    return range(min(max(first, 0), size - 1), min(max(last, -1), size - 1), step)


def _concat(node: Node, scope: Scope) -> Step:
    target = layout(scope, node.output)
    axis = axis_of(node, len(target.shape))
    moves = []
    start = 0
    for name in node.inputs:
        source = layout(scope, name)
        count = source.shape[axis]
        moves.append(Copy(target=node.output, to=target.part(axis, start, count), source=name, come=source))
        start += count
    return copies(node, scope, moves, "concat")


def _split(node: Node, scope: Scope) -> Step:
    source = layout(scope, node.input(0))
    axis = axis_of(node, len(source.shape))
    moves = []
    start = 0
    for name in node.outputs:
        target = layout(scope, name)
        count = target.shape[axis]
        moves.append(Copy(target=name, to=target, source=node.input(0), come=source.part(axis, start, count)))
        start += count
    return copies(node, scope, moves, "split")


def _expand(node: Node, scope: Scope) -> Step:
    source = layout(scope, node.input(0))
    shape = scope.type_of(node.output).shape
    if math.prod(shape) == source.size:
        return view(node, scope)
    return whole(node, scope, source.broadcast(shape), "expand")


def _tile(node: Node, scope: Scope) -> Step:
    source, target = layout(scope, node.input(0)), layout(scope, node.output)
    if source.size == target.size:
        return view(node, scope)
    for axis in reversed(range(len(source.shape))):
        size = source.shape[axis]
        if size:
            target = target.split(axis, (target.shape[axis] // size, size))
            source = source.insert(axis, target.shape[axis])
    move = Copy(target=node.output, to=target, source=node.input(0), come=source)
    return copies(node, scope, [move] if source.size else [], "tile")


def _depth_to_space(node: Node, scope: Scope) -> Step:
    source = layout(scope, node.input(0))
    block = int(node.attrs["blocksize"])
    depth = source.shape[1] // (block * block)
    if node.attrs.get("mode", "DCR") == "DCR":  # depth, column, row: the block is the outer part of the channel
        order = (0, 3, 4, 1, 5, 2)
        source = source.split(1, (block, block, depth))
    else:
        order = (0, 1, 4, 2, 5, 3)
        source = source.split(1, (depth, block, block))
    return whole(node, scope, source.permute(order), "depth_to_space")


def _space_to_depth(node: Node, scope: Scope) -> Step:
    source = layout(scope, node.input(0))
    block = int(node.attrs["blocksize"])
    _, _, height, width = source.shape
    source = source.split(3, (width // block, block)).split(2, (height // block, block))
    order = (0, 3, 5, 1, 2, 4) if node.attrs.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return whole(node, scope, source.permute(order), "space_to_depth")


_LOWERINGS = {
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": view,
    "Identity": view,
    "Reshape": view,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": view,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": view,
}
_NOTES = {"Slice": "constant starts, ends, axes and steps"}
RULES: Rules = {op: Rule(lower=lower, dtypes=EVERY_DTYPE, note=_NOTES.get(op, "")) for op, lower in _LOWERINGS.items()}
