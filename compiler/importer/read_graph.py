"""ONNX bytes to the compiler's own graph, every shape static."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, shape_inference

from compiler.importer.model_file import check_opset, guard, parse, spec_of
from compiler.importer.onnx_rewrite import name_nodes
from compiler.ir.graph import Attribute, IrGraph, Node, ValueType, constant_type
from edge_bundle.errors import CompileError
from edge_bundle.tensor import DYNAMIC


def read_graph(
    data: bytes, *, batch: int, dims: Mapping[str, int], bind: Mapping[str, NDArray[Any]], stage: str
) -> IrGraph:
    """The model as the compiler's own graph, every shape static.

    ``batch`` is given to dimension 0 of inputs where it is open, ``dims`` to symbolic dimensions by name; inputs named
    in ``bind`` become constants.

    Raises:
        CompileError: a shape stays open, or a value is no tensor of a known dtype.

    """
    model = parse(data, stage)
    for value in list(model.graph.input):
        if value.name in bind:
            model.graph.initializer.append(numpy_helper.from_array(bind[value.name], value.name))
            model.graph.input.remove(value)
            continue
        for index, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                size = dims.get(dim.dim_param, batch if index == 0 else DYNAMIC)
                if size == DYNAMIC:
                    raise CompileError(stage=stage, detail=f"input {value.name!r}: dimension {index} is open")
                dim.dim_value = size
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    model = guard(lambda: shape_inference.infer_shapes(model, strict_mode=True, data_prop=True), stage)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    types = {name: constant_type(array) for name, array in constants.items()}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        spec = spec_of(value, stage)
        types.setdefault(value.name, ValueType(spec.dtype, spec.shape))
    name_nodes(model.graph)
    return IrGraph(
        inputs=tuple(value.name for value in model.graph.input if value.name not in constants),
        outputs=tuple(value.name for value in model.graph.output),
        nodes=tuple(_ir_node(node) for node in model.graph.node),
        types=types,
        constants=constants,
        opset=check_opset(model, stage),
    )


def _ir_node(node: onnx.NodeProto) -> Node:
    attrs: dict[str, Attribute] = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            attrs[attribute.name] = numpy_helper.to_array(value)
        elif isinstance(value, bytes):
            attrs[attribute.name] = value.decode()
        elif isinstance(value, int | float):
            attrs[attribute.name] = value
        else:
            attrs[attribute.name] = tuple(item.decode() if isinstance(item, bytes) else item for item in value)
    return Node(op=node.op_type, name=node.name, inputs=tuple(node.input), outputs=tuple(node.output), attrs=attrs)
