"""``Cast``, ``CastLike``: conversions between every pair of the dtypes that have lanes. ``BitCast``: none at all."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir.graph import Node
from compiler.wasm.convert import convert, converts_in_vectors
from compiler.wasm.lanes import Lanes
from compiler.wasm.ops.copies import EVERY_DTYPE, view
from compiler.wasm.ops.pointwise import BOOL, NUMBERS, pointwise
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr


def _cast(node: Node, scope: Scope) -> Step:
    source, target = scope.type_of(node.input(0)).dtype, scope.type_of(node.output).dtype
    if target is DType.FP16:
        raise refuse(node, "float16 is not computed with")

    def body(_fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
        return convert(lanes, lanes.of(target), values[0])

    vector = converts_in_vectors(source, target)
    return pointwise(node, scope, body, reads=[node.input(0)], vector=vector)


_DTYPES = NUMBERS | BOOL | {DType.FP64}
_NOTE = "floats out of an integer's range: the nearest end of 32 or 64 bits, of which narrower dtypes keep the low bits"

RULES: Rules = {
    "BitCast": Rule(lower=view, dtypes=EVERY_DTYPE, note="dtypes of one size"),
    "Cast": Rule(lower=_cast, dtypes=_DTYPES, note=_NOTE),
    "CastLike": Rule(lower=_cast, dtypes=_DTYPES, note=_NOTE),
}
