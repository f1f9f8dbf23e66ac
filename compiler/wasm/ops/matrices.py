"""Matrices by position: Trilu, EyeLike."""

from __future__ import annotations

import math

import numpy as np

from compiler.ir.graph import Node
from compiler.wasm.kernels.copy import copy_run
from compiler.wasm.kernels.loops import loops
from compiler.wasm.ops.copies import constant_output
from compiler.wasm.ops.dtypes import EVERY_DTYPE
from compiler.wasm.ops.rule import Rule, Rules, Scope
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, i64, i64_const, memory, select
from wasm_emit.types import Expr, as_i32


def _trilu(node: Node, scope: Scope) -> Step:
    """A row is copied, then what lies outside of the triangle is zeroed."""
    kind = scope.type_of(node.input(0))
    rows, columns = kind.shape[-2:]
    item, upper = kind.dtype.itemsize, bool(node.attrs.get("upper", 1))
    diagonal = node.input(1)

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        if kind.size == 0:
            return
        shift = _diagonal(out, diagonal, rows, columns)
        row_bytes = columns * item
        pointers = [(fn.new(out.at(value)), [rows * row_bytes, row_bytes]) for value in (node.input(0), node.output)]
        sizes = [math.prod(kind.shape[:-2]), rows]
        with loops(fn, sizes, pointers, indexed=frozenset({1})) as ((come, to), (_, row)):
            copy_run(fn, to, come, row_bytes)
            edge = _clamped(fn, row + shift + (0 if upper else 1), columns)
            if upper:
                fn.do(memory.fill(to, 0, edge * item))
            else:
                fn.do(memory.fill(to + edge * item, 0, i32.sub(columns, edge) * item))

    reads = tuple(filter(None, node.inputs))
    return Step(name=node.name, op="trilu", reads=reads, writes=(node.output,), emit=emit)


def _diagonal(out: StepEmitter, value: str, rows: int, columns: int) -> Local:
    """The diagonal's offset as i32, cut to where it makes a difference."""
    fn = out.fn
    if not value:
        return fn.new(0, "diagonal")
    wide = fn.new(i64.load(fn.new(out.at(value))), "wide")
    for limit, beyond in ((i64_const(-rows), i64.lt_s), (i64_const(columns), i64.gt_s)):
        fn.set(wide, select(limit, wide, beyond(wide, limit)))
    return fn.new(i32.wrap_i64(wide), "diagonal")


def _clamped(fn: Function, value: Expr, high: int) -> Local:
    """An i32 brought into ``[0, high]``."""
    edge = fn.new(value, "edge")
    fn.set(edge, select(as_i32(0), edge, i32.lt_s(edge, 0)))
    fn.set(edge, select(as_i32(high), edge, i32.gt_s(edge, high)))
    return edge


def _eye_like(node: Node, scope: Scope) -> Step:
    kind = scope.type_of(node.output)
    rows, columns = kind.shape
    return constant_output(node, scope, np.eye(rows, columns, int(node.attrs.get("k", 0)), dtype=kind.dtype.numpy_name))


RULES: Rules = {
    "EyeLike": Rule(lower=_eye_like, dtypes=EVERY_DTYPE),
    "Trilu": Rule(lower=_trilu, dtypes=EVERY_DTYPE),
}
