"""Pass ``integers``: operators between ``DequantizeLinear`` and ``QuantizeLinear`` work on the stored integers.

Requires: a checked graph with channels last; ``QuantizeLinear`` as close behind operators as views allow (``sink``).
Ensures, for every ``QuantizeLinear`` of 8 bits with one known scale:
    1. ``Relu`` and ``Clip`` that only it reads through are limits of the integer operator;
    2. a convolution or product of stored values by int8 weights, with no bias or an int32 one of the right scale, is
       ``skerry.qconv2d`` or ``skerry.qgemm``; a product that nothing quantizes is a ``skerry.qgemm`` to float32;
    3. ``Add`` and ``Mul`` of two stored values, and pools, are ``skerry.qadd``, ``skerry.qmul`` and ``skerry.qpool``;
    4. operators that only move values do so with stored ones;
    5. an elementwise function of one stored value is a ``skerry.qtable``, also a mere change of scale;
    6. all else stays as it is, in float between the two; weights stay int8 in every integer operator.
The results are those of ONNX Runtime's operators on quantized values (QLinearConv, QGemm, QLinearAdd and so on).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes import integer_elements, integer_moves, integer_products
from compiler.wasm.passes.draft import Draft
from compiler.wasm.passes.quantization import Wanted, stored, wanted
from compiler.wasm.passes.tables import add_table, requantized, table_of

NAME = "integers"

_Rule: TypeAlias = Callable[[Draft, Node, Wanted, str], str | None]

_RULES: Mapping[str, _Rule] = {
    "skerry.conv2d": integer_products.convolution,
    "skerry.gemm": integer_products.product,
    "skerry.pool2d": integer_elements.pool,
    "skerry.global_pool": integer_elements.global_pool,
    "Add": integer_elements.binary,
    "Mul": integer_elements.binary,
    **dict.fromkeys(integer_moves.MOVES, integer_moves.moved),
}


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Fold at every ``QuantizeLinear``, then products that stay float32."""
    draft = Draft(graph)
    for node in graph.nodes:
        want = wanted(draft, node)
        if want is None or not _fold(draft, node, want):
            draft.emit(node)
    return _float_products(draft.finish())


def _fold(draft: Draft, node: Node, want: Wanted) -> bool:
    """Emit what gives ``node.output`` from stored values."""
    found = stored(draft, want.value)
    if found is not None and draft.constant(found.name) is None:
        if requantized(draft, found, want, node.output) != node.output:
            draft.emit(Node(op="Identity", name=node.name, inputs=(found.name,), outputs=node.outputs))
        return True
    maker = draft.maker(want.value)
    if maker is None:
        return False
    table = table_of(draft, want)  # before the rules: a sum or product with one number is a table
    if table is not None:
        add_table(draft, table[0], table[1], want, node.output)
        return True
    rule = _RULES.get(maker.op)
    return rule is not None and draft.only_use(want.value) and rule(draft, maker, want, node.output) is not None


def _float_products(graph: IrGraph) -> IrGraph:
    """Rule 2, for products that nothing quantizes."""
    draft = Draft(graph)
    for node in graph.nodes:
        if node.op != "skerry.gemm" or integer_products.product(draft, node, None, node.output) is None:
            draft.emit(node)
    return draft.finish()
