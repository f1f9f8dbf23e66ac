"""Which nodes become one TFLite operation: an operator, the activation behind it, and the ``QuantizeLinear`` after.

Rules:
    1. ``Relu`` and ``Clip`` by known bounds belong to the operator in front that nothing else reads;
    2. so does ``QuantizeLinear``, if the operator has an integer kernel and every activation that it reads is stored
       in the same dtype as the result: the unit is computed on integers;
    3. otherwise the operator is computed in float32 between ``DEQUANTIZE`` and ``QUANTIZE``, and an activation belongs
       to it only where the TFLite operator has it built in.
"""

from __future__ import annotations

from compiler.ir.graph import Node
from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.model import Quant
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.rule import Rules
from compiler.tflite.unit import FUSED, OPEN, Unit, bounds_of


def units_of(graph: QdqGraph, table: Rules) -> dict[str, Unit]:
    """Units by the names of their nodes."""
    found: dict[str, Unit] = {}
    for node in graph.graph.nodes:
        rule = table.get(node.op)
        if rule is not None and node.name not in found:
            members = _follow(graph, node)
            unit = _unit(graph, rule.kernel, node, members)
            chain = [node, *members]
            found.update((one.name, unit) for one in chain[: chain.index(unit.last) + 1])
    return found


def _follow(graph: QdqGraph, node: Node) -> list[Node]:
    """The nodes behind that nothing else reads through: at most one activation, then a ``QuantizeLinear``."""
    members: list[Node] = []
    value = node.output
    if any(node.outputs[1:]):
        return members
    while (user := graph.only_user(value)) is not None and user.input(0) == value:
        if user.op == "QuantizeLinear":
            return [*members, user]
        if members or bounds_of(graph, user) is None:
            break
        members.append(user)
        value = user.output
    return members


def _unit(graph: QdqGraph, kernel: Kernel, node: Node, members: list[Node]) -> Unit:
    bounds = next((found for one in members[:1] if (found := bounds_of(graph, one)) is not None), OPEN)
    if members and members[-1].op == "QuantizeLinear":
        last = members[-1]
        quant = graph.quant(last, graph.types[last.output].dtype)
        if quant is not None and _reads_integers(graph, kernel, node, quant):
            return Unit(node=node, bounds=bounds, quant=quant, value=last.output, last=last)
    if bounds != OPEN and bounds in FUSED and kernel.fuses:
        return Unit(node=node, bounds=bounds, quant=None, value=members[0].output, last=members[0])
    return Unit(node=node, bounds=OPEN, quant=None, value=node.output, last=node)


def _reads_integers(graph: QdqGraph, kernel: Kernel, node: Node, quant: Quant) -> bool:
    """Rule 2."""
    if kernel.integers is Integers.NONE or quant.dtype not in kernel.stored:
        return False
    for value in filter(None, node.inputs[: kernel.activations]):
        found = graph.stored(value)
        if found is None or found[1].dtype is not quant.dtype:
            return False
    return kernel.accepts is None or kernel.accepts(graph, node)
