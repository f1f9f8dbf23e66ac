"""Attributes of ONNX nodes as plain Python values and arrays."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import helper, numpy_helper

from compiler.ir.graph import Attribute

_GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


def attributes_of(node: onnx.NodeProto) -> dict[str, Attribute]:
    """Every attribute but graphs: int, float, str, tuples of them, arrays."""
    return {one.name: _value(one) for one in node.attribute if one.type not in _GRAPHS}


def bodies_of(node: onnx.NodeProto) -> dict[str, onnx.GraphProto]:
    """The graphs among the attributes."""
    return {one.name: one.g for one in node.attribute if one.type == onnx.AttributeProto.GRAPH}


def resolved(node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]) -> onnx.NodeProto:
    """A function body's node with references to the function's attributes replaced by what the caller gave.

    A reference to an attribute that was not given is dropped (IR.md, "Functions").
    """
    if not any(one.ref_attr_name or one.type in _GRAPHS for one in node.attribute):
        return node
    made = onnx.NodeProto()
    made.CopyFrom(node)
    del made.attribute[:]
    for one in node.attribute:
        if not one.ref_attr_name:
            made.attribute.append(_resolved_graph(one, given))
        elif one.ref_attr_name in given:
            copy = made.attribute.add()
            copy.CopyFrom(given[one.ref_attr_name])
            copy.name = one.name
    return made


def _resolved_graph(one: onnx.AttributeProto, given: Mapping[str, onnx.AttributeProto]) -> onnx.AttributeProto:
    if one.type != onnx.AttributeProto.GRAPH:
        return one
    made = onnx.AttributeProto()
    made.CopyFrom(one)
    nodes = [resolved(node, given) for node in one.g.node]
    del made.g.node[:]
    made.g.node.extend(nodes)
    return made


def _value(one: onnx.AttributeProto) -> Attribute:
    value = helper.get_attribute_value(one)
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, int | float):
        return value
    if isinstance(value, onnx.SparseTensorProto | onnx.TypeProto):
        return None
    return tuple(item.decode(errors="replace") if isinstance(item, bytes) else item for item in value)
