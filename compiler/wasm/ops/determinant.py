"""Det: Gaussian elimination with partial pivoting, in a scratch copy of each matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

from compiler.ir.graph import Node
from compiler.wasm.kernels.copy import copy_run
from compiler.wasm.kernels.loops import loops
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32, f32_const, i32, select
from wasm_emit.types import Expr


@dataclass(frozen=True)
class _Matrix:
    """``size`` x ``size`` float32 in row order."""

    fn: Function
    base: Local
    size: int

    def row(self, index: Expr) -> Local:
        """Address of a row."""
        return self.fn.new(self.base + index * (self.size * FLOAT_BYTES), "row")

    def at(self, row: Local, column: Expr) -> Local:
        """Address of an element."""
        return self.fn.new(row + column * FLOAT_BYTES, "at")


def _det(node: Node, scope: Scope) -> Step:
    kind = scope.type_of(node.input(0))
    size, count = kind.shape[-1], math.prod(kind.shape[:-2])
    if kind.size == 0:
        raise refuse(node, "a dimension has no elements")
    nbytes = size * size * FLOAT_BYTES

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        matrix = _Matrix(fn, fn.new(out.scratch("matrix"), "matrix"), size)
        result = fn.new(f32_const(1.0), "det")
        pointers = [(fn.new(out.at(node.input(0))), [nbytes]), (fn.new(out.at(node.output)), [FLOAT_BYTES])]
        with loops(fn, [count], pointers) as ((source, to), _):
            copy_run(fn, matrix.base, source, nbytes)
            fn.set(result, f32_const(1.0))
            with fn.counted(size, name="column") as column:
                top = matrix.row(column)
                _pivot(matrix, column, top, result)
                _eliminate(matrix, column, top)
            fn.do(f32.store(to, result))

    return Step(
        name=node.name,
        op="det",
        reads=(node.input(0),),
        writes=(node.output,),
        emit=emit,
        scratch={"matrix": nbytes},
        flops=count * 2 * size**3 // 3,
    )


def _pivot(matrix: _Matrix, column: Local, top: Local, result: Local) -> None:
    """Bring the row with the largest element of the column up, and multiply that element into the result."""
    fn = matrix.fn
    best = fn.new(top, "best")
    with fn.counted(matrix.size, name="candidate") as candidate, fn.if_(i32.gt_u(candidate, column)):
        row = matrix.row(candidate)
        larger = f32.gt(f32.abs(f32.load(matrix.at(row, column))), f32.abs(f32.load(matrix.at(best, column))))
        fn.set(best, select(row, best, larger))
    with fn.if_(i32.ne(best, top)):
        fn.set(result, f32.neg(result))
        with loops(fn, [matrix.size], [(best, [FLOAT_BYTES]), (top, [FLOAT_BYTES])]) as ((low, high), _):
            kept = fn.new(f32.load(low), "kept")
            fn.do(f32.store(low, f32.load(high)))
            fn.do(f32.store(high, kept))
    fn.set(result, f32.mul(result, f32.load(matrix.at(top, column))))


def _eliminate(matrix: _Matrix, column: Local, top: Local) -> None:
    """Subtract multiples of the pivot's row from those below; a column of zeros stays."""
    fn = matrix.fn
    pivot = fn.new(f32.load(matrix.at(top, column)), "pivot")
    with fn.counted(matrix.size, name="below") as below, fn.if_(i32.gt_u(below, column)):
        row = matrix.row(below)
        share = f32.div(f32.load(matrix.at(row, column)), pivot)
        factor = fn.new(select(f32_const(0.0), share, f32.eq(pivot, f32_const(0.0))), "factor")
        with loops(fn, [matrix.size], [(row, [FLOAT_BYTES]), (top, [FLOAT_BYTES])]) as ((to, come), _):
            fn.do(f32.store(to, f32.sub(f32.load(to), f32.mul(factor, f32.load(come)))))


RULES: Rules = {"Det": Rule(lower=_det, dtypes=FP32)}
