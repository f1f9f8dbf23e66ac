"""``Cast``, ``CastLike``: conversions between every pair of the dtypes that have lanes. ``BitCast``: none at all.

Where the bits of a NaN would be seen, in float64 or an integer, it becomes the canonical one: engines differ in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from compiler.ir.graph import Node
from compiler.wasm.numerics.convert import convert, converts_in_vectors
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.copies import view
from compiler.wasm.ops.dtypes import BOOL, EVERY_DTYPE, NUMBERS
from compiler.wasm.ops.pointwise import pointwise, spread
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
        made = convert(lanes, lanes.of(target), values[0])
        if source is DType.FP32 and target is DType.FP64:
            return lanes.select(lanes.eq(values[0], values[0]), made, lanes.of(target).const(math.nan))
        return made

    vector = converts_in_vectors(source, target)
    return pointwise(node, scope, body, reads=[node.input(0)], vector=vector)


def _bit_cast(node: Node, scope: Scope) -> Step:
    """The same bytes under another dtype of the same size; of floats, all but those of a NaN."""
    source, target = scope.type_of(node.input(0)).dtype, scope.type_of(node.output).dtype
    if source.itemsize != target.itemsize:
        raise refuse(node, f"expected a dtype of {source.itemsize} bytes, got {target.value}")
    if source is DType.FP32 and target is not DType.FP32:
        return pointwise(node, scope, spread(_canonical_bits))
    return view(node, scope)


def _canonical_bits(fn: Function, lanes: Lanes, x: Local) -> Expr:
    number = fn.new(lanes.select(lanes.eq(x, x), x, lanes.const(math.nan)), "number")
    return lanes.bits(number)


_DTYPES = NUMBERS | BOOL | {DType.FP64}
_NOTE = "floats out of an integer's range: the nearest end of 32 or 64 bits, of which narrower dtypes keep the low bits"

RULES: Rules = {
    "BitCast": Rule(lower=_bit_cast, dtypes=EVERY_DTYPE, note="dtypes of one size; every NaN has the canonical bits"),
    "Cast": Rule(lower=_cast, dtypes=_DTYPES, note=_NOTE),
    "CastLike": Rule(lower=_cast, dtypes=_DTYPES, note=_NOTE),
}
