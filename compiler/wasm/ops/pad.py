"""Pad and CenterCropPad: the border is filled, then the rest is copied; other modes copy the border piece by piece."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.copy import copy_layout, element_access, fill_run
from compiler.wasm.ops.arguments import known_ints, normal_axes
from compiler.wasm.ops.copies import Copy, copies, layout
from compiler.wasm.ops.dtypes import EVERY_DTYPE
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.instructions import i64_const
from wasm_emit.types import Expr, as_i32

_Mode: TypeAlias = Literal["edge", "reflect", "wrap"]

_MODES: Mapping[str, _Mode] = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}
"""Modes whose borders are copies of the input; numpy's ``pad`` has the same names."""
MAX_PIECES = 4096
"""Copies of one Pad; each is some 50 bytes of code. Real models need 9 (two padded axes)."""


def _pad(node: Node, scope: Scope) -> Step:
    source = layout(scope, node.input(0))
    pads = known_ints(node, scope, 1, "pads")
    if pads is None:
        raise refuse(node, "expected pads")
    axes = normal_axes(known_ints(node, scope, 3, "axes"), len(source.shape))
    before, after = [0] * len(source.shape), [0] * len(source.shape)
    for index, axis in enumerate(axes):
        before[axis], after[axis] = pads[index], pads[index + len(axes)]
    mode = str(node.attrs.get("mode", "constant"))
    if mode == "constant":
        return _filled(node, scope, _placed(node, scope, before, after), node.input(2), "pad")
    if mode not in _MODES:
        raise refuse(node, f"expected mode constant, edge, reflect or wrap, got {mode!r}")
    ends = zip(source.shape, before, after, strict=True)
    tables = [_table(size, left, right, _MODES[mode]) for size, left, right in ends]
    return _by_pieces(node, scope, tables)


def _placed(node: Node, scope: Scope, before: Sequence[int], after: Sequence[int]) -> Copy:
    """What of the input stays, and where it lies in the output. Negative pads crop."""
    come, to = layout(scope, node.input(0)), layout(scope, node.output)
    for axis, (left, right) in enumerate(zip(before, after, strict=True)):
        kept = max(come.shape[axis] + min(left, 0) + min(right, 0), 0)
        come = come.part(axis, max(-left, 0), kept)
        to = to.part(axis, max(left, 0), kept)
    return Copy(target=node.output, to=to, source=node.input(0), come=come)


def _filled(node: Node, scope: Scope, move: Copy, value: str, op: str) -> Step:
    """Fill the output with the scalar ``value`` (zero when it is left out), then copy."""
    kind = scope.type_of(node.output)
    itemsize = kind.dtype.itemsize

    def emit(out: StepEmitter) -> None:
        if kind.size > move.to.size:
            target = out.fn.new(out.at(node.output))
            fill_run(out.fn, target, _bits(out, value, itemsize), itemsize, kind.size)
        copy_layout(out.fn, out.at(node.output), move.to, out.at(move.source), move.come, itemsize)

    reads = tuple(filter(None, (move.source, value)))
    return Step(name=node.name, op=op, reads=reads, writes=(node.output,), emit=emit)


def _bits(out: StepEmitter, value: str, itemsize: int) -> Expr:
    if value:
        load, _ = element_access(itemsize)
        return load(out.fn.new(out.at(value)))
    return i64_const(0) if itemsize == 8 else as_i32(0)  # noqa: PLR2004 - bytes of an i64


def _table(size: int, before: int, after: int, mode: _Mode) -> NDArray[Any]:
    """Index of the input for every index of the output, along one axis."""
    kept = np.arange(size)[max(-before, 0) : size - max(-after, 0)]
    return np.pad(kept, (max(before, 0), max(after, 0)), mode)


def _by_pieces(node: Node, scope: Scope, tables: Sequence[NDArray[Any]]) -> Step:
    come, to = layout(scope, node.input(0)), layout(scope, node.output)
    pieces = [_even_runs(table) for table in tables]
    if (count := math.prod(map(len, pieces))) > MAX_PIECES:
        raise refuse(node, f"expected a border of at most {MAX_PIECES} pieces, got {count}")
    moves = []
    for choice in itertools.product(*pieces):
        part_to, part_come = to, come
        for axis, (start, count, first, step) in enumerate(choice):
            part_to, part_come = part_to.part(axis, start, count), part_come.part(axis, first, count, step)
        moves.append(Copy(target=node.output, to=part_to, source=node.input(0), come=part_come))
    return copies(node, scope, moves, "pad")


def _even_runs(table: NDArray[Any]) -> list[tuple[int, int, int, int]]:
    """The table cut into runs of constant step: (start, count, first index, step)."""
    runs = []
    start = 0
    while start < len(table):
        step = int(table[start + 1] - table[start]) if start + 1 < len(table) else 1
        end = start + 1
        while end < len(table) and table[end] - table[end - 1] == step:
            end += 1
        if abs(step) > 1:  # a jump: the element stands alone
            end, step = start + 1, 1
        runs.append((start, end - start, int(table[start]), step))
        start = end
    return runs


def _center_crop_pad(node: Node, scope: Scope) -> Step:
    come, to = layout(scope, node.input(0)), layout(scope, node.output)
    for axis, (had, wanted) in enumerate(zip(come.shape, to.shape, strict=True)):
        if wanted < had:
            come = come.part(axis, (had - wanted) // 2, wanted)
        elif wanted > had:
            to = to.part(axis, (wanted - had) // 2, had)
    move = Copy(target=node.output, to=to, source=node.input(0), come=come)
    return _filled(node, scope, move, "", "center_crop_pad")


RULES: Rules = {
    "CenterCropPad": Rule(lower=_center_crop_pad, dtypes=EVERY_DTYPE),
    "Pad": Rule(lower=_pad, dtypes=EVERY_DTYPE, note="constant pads"),
}
