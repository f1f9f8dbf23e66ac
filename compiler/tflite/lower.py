"""A graph in ONNX's terms becomes a TFLite model, node by node."""

from __future__ import annotations

from compiler.ir.graph import IrGraph, Node
from compiler.tflite.draft import Draft
from compiler.tflite.model import Quant, TfliteModel
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.refused import refuse
from compiler.tflite.rules.table import TABLE
from compiler.tflite.site import Site
from compiler.tflite.units import units_of
from compiler.tflite.values import Values, first


def lower_graph(graph: IrGraph) -> TfliteModel:
    """The model, whose inputs and outputs are those of the graph.

    Raises:
        UnsupportedOperatorError: the table does not cover a node; names operator, node and reason.

    """
    held = QdqGraph(graph)
    draft = Draft()
    values = Values(held, draft)
    inputs = []
    for name in graph.inputs:
        kind = graph.types[name]
        inputs.append(draft.input(name, kind.dtype, kind.shape, _input_quant(held, name)))
        values.hold(name, first(kind.rank), inputs[-1])
    units = units_of(held, TABLE)
    for node in graph.nodes:
        unit = units.get(node.name)
        if unit is None:
            _bare(held, draft, values, node)
        elif unit.last is node:
            rule = TABLE[unit.node.op]
            rule.lower(Site(unit, rule.kernel, held, draft, values))
    outputs = {name: values.fetch(name, first(graph.types[name].rank)) for name in graph.outputs}
    return draft.finish(inputs, outputs)


def _input_quant(graph: QdqGraph, name: str) -> Quant | None:
    """Stored integers as input: what reads them says what they mean."""
    for node in graph.graph.nodes:
        if node.op == "DequantizeLinear" and node.input(0) == name:
            return graph.quant(node, graph.types[name].dtype)
    return None


def _bare(graph: QdqGraph, draft: Draft, values: Values, node: Node) -> None:
    """A node of no unit: a ``DequantizeLinear`` waits until it is read, a ``QuantizeLinear`` is one operation."""
    if node.op == "DequantizeLinear":
        if graph.stored(node.output) is None and graph.stored_constant(node.output) is None:
            raise refuse(node, "expected one known scale, int8 with any zero point or int16 with zero point 0")
        return
    if node.op != "QuantizeLinear":
        raise refuse(node, "there is no rule for the operator")
    quant = graph.quant(node, graph.types[node.output].dtype)
    if quant is None:
        raise refuse(node, "expected one known scale, int8 with any zero point or int16 with zero point 0")
    source = node.input(0)
    orders = values.orders(source)
    order = next(iter(orders)) if orders else first(graph.types[source].rank)
    place = values.fetch_stored(source, order) if graph.stored(source) else values.fetch(source, order)
    values.hold(node.output, order, draft.requantized(place, quant))
