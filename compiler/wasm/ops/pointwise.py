"""Steps that compute each element from the elements at the same place, with ONNX's multidirectional broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler.ir.graph import Node
from compiler.wasm.kernels.loopnest import Body, elementwise, merged_rank
from compiler.wasm.kernels.operand import Operand, broadcast, contiguous
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.rule import Rule, Scope
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

Code = Callable[..., Expr]
"""``code(fn, lanes, *values)``: one element, or one vector of them."""


def pointwise(
    node: Node, scope: Scope, body: Body, *, reads: Sequence[str] | None = None, vector: bool = True, cheap: bool = True
) -> Step:
    """The step that gives the first output from ``reads`` (all inputs by default), broadcast to its shape.

    The output may take the place of an input of the same type: each element is read before it is written.
    """
    names = tuple(name for name in node.inputs if name) if reads is None else tuple(reads)
    out = scope.type_of(node.output)

    def emit(e: StepEmitter) -> None:
        operands = [_operand(e, name, out.shape) for name in names]
        output = _operand(e, node.output, out.shape)
        in_place = any(operand.address == output.address for operand in operands)
        exact = in_place and merged_rank(out.shape, [output, *operands]) > 1
        elementwise(e.fn, out.shape, output, operands, body, vector=vector, exact=exact, cheap=cheap)

    return Step(
        name=node.name,
        op=node.op.lower(),
        reads=names,
        writes=(node.output,),
        emit=emit,
        shares=tuple((name, node.output) for name in dict.fromkeys(names) if scope.type_of(name) == out),
        flops=out.size,
    )


def simple(code: Code, dtypes: frozenset[DType], *, vector: bool = True, cheap: bool = True, note: str = "") -> Rule:
    """A rule for an operator without attributes."""

    def lower(node: Node, scope: Scope) -> Step:
        return pointwise(node, scope, spread(code), vector=vector, cheap=cheap)

    return Rule(lower=lower, dtypes=dtypes, note=note)


def spread(code: Code) -> Body:
    """The values as arguments."""

    def body(fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
        return code(fn, lanes, *values)

    return body


def _operand(e: StepEmitter, name: str, shape: Sequence[int]) -> Operand:
    kind = e.type_of(name)
    strides = contiguous(shape) if kind.shape == tuple(shape) else broadcast(kind.shape, shape)
    return Operand(address=e.at(name), dtype=kind.dtype, strides=strides)
