"""Operators that compute each element from the elements at the same place, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler.ir.graph import Node, ValueType
from compiler.wasm.kernels.loopnest import Body, elementwise, merged_rank
from compiler.wasm.kernels.operand import Operand, broadcast, contiguous
from compiler.wasm.lanes import Lanes
from compiler.wasm.math.exponential import exp
from compiler.wasm.ops.rule import Rule, Rules, Scope
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

FLOATS = frozenset({DType.FP32, DType.FP64})
INTEGERS = frozenset(
    {DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32, DType.UINT32, DType.INT64, DType.UINT64}
)
FP32 = frozenset({DType.FP32})
NUMBERS = FLOATS | INTEGERS


def pointwise(node: Node, scope: Scope, body: Body, *, vector: bool = True, cheap: bool = True) -> Step:
    """The step that gives the first output from all inputs, broadcast to its shape."""
    reads = tuple(name for name in node.inputs if name)
    out = scope.type_of(node.output)

    def emit(e: StepEmitter) -> None:
        operands = [_operand(e.at(name), scope.type_of(name), out.shape) for name in reads]
        output = Operand(address=e.at(node.output), dtype=out.dtype, strides=contiguous(out.shape))
        exact = (
            any(e.at(name) == e.at(node.output) for name in reads) and merged_rank(out.shape, [output, *operands]) > 1
        )
        elementwise(e.fn, out.shape, output, operands, body, vector=vector, exact=exact, cheap=cheap)

    shares = tuple(
        (name, node.output) for name in dict.fromkeys(reads)
        if scope.type_of(name) == out and reads.count(name) == 1
    )  # fmt: skip
    return Step(
        name=node.name, op=node.op.lower(), reads=reads, writes=(node.output,), emit=emit, shares=shares, flops=out.size
    )


def _operand(address: int, kind: ValueType, shape: Sequence[int]) -> Operand:
    return Operand(address=address, dtype=kind.dtype, strides=broadcast(kind.shape, shape))


def _simple(
    code: Callable[..., Expr], dtypes: frozenset[DType], *, vector: bool = True, cheap: bool = True, note: str = ""
) -> Rule:
    """A rule for ``code(fn, lanes, *values)`` without attributes."""

    def body(fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
        return code(fn, lanes, *values)

    def lower(node: Node, scope: Scope) -> Step:
        return pointwise(node, scope, body, vector=vector, cheap=cheap)

    return Rule(lower=lower, dtypes=dtypes, note=note)


def _relu(_fn: Function, lanes: Lanes, x: Local) -> Expr:
    return lanes.pmax(x, lanes.const(0)) if lanes.is_float else lanes.max(x, lanes.const(0))


RULES: Rules = {
    "Add": _simple(lambda _, lanes, a, b: lanes.add(a, b), NUMBERS),
    "Exp": _simple(exp, FP32, cheap=False),
    "Relu": _simple(_relu, NUMBERS),
}
