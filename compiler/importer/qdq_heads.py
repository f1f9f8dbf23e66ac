"""A last 1x1 convolution of a single position becomes the matrix product that it is.

Integer kernels of ``Gemm`` can give float32 (ONNX Runtime's QGemm), those of ``Conv`` cannot: what the model answers
is then neither rounded to bytes nor cut to the range that calibration saw.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from compiler.importer.model_file import from_proto, parse
from compiler.importer.onnx_rewrite import canonicalise, reads

PASSIVE = frozenset({"Flatten", "Reshape", "Squeeze", "Softmax", "Sigmoid", "Tanh", "LogSoftmax"})
"""What may stand behind such a convolution: it is the last layer then."""


def products_for_heads(data: bytes, *, stage: str) -> bytes:
    """The model with such convolutions as ``Flatten``, ``Gemm`` (which takes the name) and ``Reshape``."""
    model = parse(data, stage)
    graph = model.graph
    shapes = _shapes(graph)
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    heads = [node for node in graph.node if _is_head(graph, node, shapes, arrays)]
    if not heads:
        return data
    made: list[onnx.NodeProto] = []
    for node in graph.node:
        made += _product(graph, node, arrays[node.input[1]]) if node in heads else [node]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in made]
    del graph.node[:]
    graph.node.extend(copies)
    return canonicalise(from_proto(model), stage=stage)


def _is_head(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    shapes: dict[str, tuple[int, ...]],
    arrays: dict[str, onnx.TensorProto],
) -> bool:
    weights = arrays.get(node.input[1]) if node.op_type == "Conv" else None
    if weights is None or weights.data_type != onnx.TensorProto.FLOAT or set(weights.dims[2:]) != {1}:
        return False
    single = set(shapes.get(node.input[0], (0, 0, 0))[2:]) == set(shapes.get(node.output[0], (0, 0, 0))[2:]) == {1}
    groups = next((one.i for one in node.attribute if one.name == "group"), 1)
    return single and groups == 1 and _is_last(graph, node.output[0])


def _is_last(graph: onnx.GraphProto, value: str) -> bool:
    """Whether only what computes no further stands behind a value."""
    waiting = [value]
    while waiting:
        name = waiting.pop()
        readers = [node for node in graph.node if name in reads(node)]
        if any(node.op_type not in PASSIVE or node.input[0] != name for node in readers):
            return False
        waiting += [output for node in readers for output in node.output]
    return True


def _product(graph: onnx.GraphProto, node: onnx.NodeProto, weights: onnx.TensorProto) -> list[onnx.NodeProto]:
    stem = node.output[0]
    array = numpy_helper.to_array(weights)
    channels = array.shape[0]
    graph.initializer.append(numpy_helper.from_array(array.reshape(channels, -1), f"{stem}_matrix"))
    shape = np.array([-1, channels, *(1 for _ in array.shape[2:])], np.int64)
    graph.initializer.append(numpy_helper.from_array(shape, f"{stem}_shape"))
    inputs = [f"{stem}_flat", f"{stem}_matrix", *node.input[2:]]
    return [
        helper.make_node("Flatten", [node.input[0]], [f"{stem}_flat"], name=f"{stem}_flat_n", axis=1),
        helper.make_node("Gemm", inputs, [f"{stem}_product"], name=node.name, transB=1),
        helper.make_node("Reshape", [f"{stem}_product", f"{stem}_shape"], [stem], name=f"{stem}_shape_n"),
    ]


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
