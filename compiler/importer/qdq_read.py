"""An ONNX model as a ``Network``."""

from __future__ import annotations

import onnx
from onnx import numpy_helper

from compiler.importer.attributes import attributes_of
from compiler.importer.model_file import parse
from compiler.importer.onnx_rewrite import reads
from compiler.importer.qdq_network import Network, Op
from edge_bundle.tensor import DYNAMIC


def read_network(data: bytes, *, stage: str) -> Network:
    """The main graph of a canonical model (inferred shapes, unique node names).

    Raises:
        CompileError: the bytes are no model.

    """
    graph = parse(data, stage).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return Network(
        ops=tuple(_op(node) for node in graph.node),
        constants=constants,
        shapes=_shapes(graph),
        inputs=tuple(value.name for value in graph.input if value.name not in constants),
        outputs=tuple(value.name for value in graph.output),
    )


def _op(node: onnx.NodeProto) -> Op:
    return Op(
        name=node.name,
        op=node.op_type,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attrs=attributes_of(node),
        captured=frozenset(reads(node)) - frozenset(node.input),
    )


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the float32 values of the main graph."""
    shapes = {
        value.name: tuple(dim.dim_value if dim.HasField("dim_value") else DYNAMIC for dim in kind.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
        if (kind := value.type.tensor_type).elem_type == onnx.TensorProto.FLOAT and kind.HasField("shape")
    }
    return shapes | {
        tensor.name: tuple(tensor.dims) for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT
    }
