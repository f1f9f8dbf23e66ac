"""Steps that only move bytes: a list of copies between layouts, views, and constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.copy import copy_layout, copy_run
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.ops.rule import Scope, refuse
from compiler.wasm.step import Step, StepEmitter


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Every element of ``come`` in value ``source`` goes to its place of ``to`` in value ``target``."""

    target: str
    to: Layout
    source: str
    come: Layout


def layout(scope: Scope, value: str) -> Layout:
    """A value as it lies in memory."""
    kind = scope.type_of(value)
    return Layout.of(kind.shape, kind.dtype.itemsize)


def copies(node: Node, scope: Scope, moves: Sequence[Copy], op: str) -> Step:
    """A step of copies that together write every element of the node's outputs."""
    itemsize = scope.type_of(node.output).dtype.itemsize

    def emit(out: StepEmitter) -> None:
        for move in moves:
            copy_layout(out.fn, out.at(move.target), move.to, out.at(move.source), move.come, itemsize)

    return Step(
        name=node.name,
        op=op,
        reads=tuple(dict.fromkeys(move.source for move in moves)),
        writes=tuple(filter(None, node.outputs)),
        emit=emit,
    )


def whole(node: Node, scope: Scope, come: Layout, op: str) -> Step:
    """One copy from a layout of the first input into the whole output."""
    kind = scope.type_of(node.output)
    if kind.size != come.size:
        raise refuse(node, f"expected an output of {come.size} elements, got {list(kind.shape)}")
    to = Layout.of(come.shape, kind.dtype.itemsize)
    return copies(node, scope, [Copy(target=node.output, to=to, source=node.input(0), come=come)], op)


def view(node: Node, scope: Scope) -> Step:
    """The output is the first input's bytes under another shape."""
    source = node.input(0)
    if scope.type_of(source).nbytes != scope.type_of(node.output).nbytes:
        raise refuse(node, f"expected as many bytes as in {scope.type_of(source)}, got {scope.type_of(node.output)}")
    return Step(name=node.name, op="view", reads=(source,), writes=(node.output,), emit=_no_code, view_of=source)


def as_copy(step: Step, nbytes: int) -> Step:
    """The view as a step that copies."""

    def emit(out: StepEmitter) -> None:
        if nbytes:
            target, source = out.fn.new(out.at(step.writes[0])), out.fn.new(out.at(step.view_of))
            copy_run(out.fn, target, source, nbytes)

    return Step(name=step.name, op="copy", reads=step.reads, writes=step.writes, emit=emit)


def constant_output(node: Node, scope: Scope, array: NDArray[Any]) -> Step:
    """The output does not depend on data: it is stored with the weights and copied."""
    kind = scope.type_of(node.output)
    stored = np.ascontiguousarray(array, dtype=kind.dtype.numpy_name)
    if stored.shape != kind.shape:
        raise refuse(node, f"expected shape {list(kind.shape)}, got {list(stored.shape)}")

    return constant_step(node.output, stored, name=node.name)


def constant_step(value: str, array: NDArray[Any], *, name: str = "") -> Step:
    """``value`` is always that array. ``init`` writes it too, for steps whose own ``init`` reads it."""
    stored = np.ascontiguousarray(array)

    def emit(out: StepEmitter) -> None:
        if stored.nbytes:
            target, source = out.fn.new(out.at(value)), out.fn.new(out.constant("value"))
            copy_run(out.fn, target, source, stored.nbytes)

    return Step(
        name=name or f"constant {value}", op="constant", reads=(), writes=(value,), emit=emit, init=emit,
        constants={"value": stored},
    )  # fmt: skip


def _no_code(out: StepEmitter) -> None:
    """A view has none."""
