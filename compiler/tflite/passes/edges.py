"""Pass ``edges``: a model whose inputs and outputs are integers, for devices that have no floats.

Requires: a graph in QDQ form, activations signed (``signed`` ran).
Ensures:
    1. a float32 input that only ``QuantizeLinear`` nodes of one scale read is their result: the caller quantizes;
    2. a float32 output that ``DequantizeLinear`` gives is what that reads: the caller dequantizes;
    3. an output that ``Softmax`` or ``Sigmoid`` of stored values gives is quantized as TFLite's kernels have it
       (1/256 and -128, or 1/32768 and 0), by a ``QuantizeLinear`` of the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from compiler.ir.free_name import free_name
from compiler.ir.graph import IrGraph, Node, ValueType, constant_type
from compiler.ir.prune import prune
from compiler.ir.rename import renamed_nodes
from compiler.tflite.qdq import QdqGraph
from edge_bundle.errors import CompileError
from edge_bundle.tensor import DType

NAME = "edges"

_UNIT = {DType.INT8: (np.float32(1 / 256), np.int8(-128)), DType.INT16: (np.float32(1 / 32768), np.int16(0))}
_ADVICE = "quantize the layer that reads or gives it, or keep float inputs and outputs"


def run(graph: IrGraph) -> tuple[IrGraph, Mapping[str, str]]:
    """The graph with integer edges, and the names that its inputs and outputs had.

    Raises:
        CompileError: an input or output is not quantized; names it.

    """
    names: dict[str, str] = {}
    for name in graph.inputs:
        if graph.types[name].dtype is DType.FP32:
            graph = _input(graph, name, names)
    for name in graph.outputs:
        if graph.types[name].dtype is DType.FP32:
            graph = _output(graph, name, names)
    return prune(graph), names


def _input(graph: IrGraph, name: str, names: dict[str, str]) -> IrGraph:
    """Rule 1."""
    held = QdqGraph(graph)
    readers = [node for node in graph.nodes if name in node.inputs]
    quants = {held.quant(node, graph.types[node.output].dtype) for node in readers if node.op == "QuantizeLinear"}
    if name in graph.outputs or not readers or {node.op for node in readers} != {"QuantizeLinear"} or len(quants) != 1:
        raise _refused("input", name)
    stored = readers[0].output
    names[stored] = name
    same = {node.output: stored for node in readers}
    rest = tuple(node for node in graph.nodes if node not in readers)
    inputs = tuple(stored if one == name else one for one in graph.inputs)
    return replace(graph, inputs=inputs, nodes=renamed_nodes(rest, same))


def _output(graph: IrGraph, name: str, names: dict[str, str]) -> IrGraph:
    """Rules 2 and 3."""
    held = QdqGraph(graph)
    found = held.stored(name)
    if found is not None and found[0] not in (*graph.inputs, *graph.constants):
        stored = found[0]
    else:
        maker = held.maker(name)
        source = held.stored(maker.input(0)) if maker is not None and maker.op in ("Softmax", "Sigmoid") else None
        if source is None:
            raise _refused("output", name)
        graph, stored = _quantized(graph, name, source[1].dtype)
    names[stored] = name
    return replace(graph, outputs=tuple(stored if one == name else one for one in graph.outputs))


def _quantized(graph: IrGraph, name: str, dtype: DType) -> tuple[IrGraph, str]:
    types, constants = dict(graph.types), dict(graph.constants)
    found = []
    for part, number in zip(("scale", "zero"), _UNIT[dtype], strict=True):
        held = free_name(f"{name}/{part}", types)
        array = np.asarray(number)
        array.flags.writeable = False
        constants[held], types[held] = array, constant_type(array)
        found.append(held)
    stored = free_name(f"{name}/stored", types)
    types[stored] = ValueType(dtype, types[name].shape)
    label = free_name(f"{name}/quantize", {node.name for node in graph.walk()})
    node = Node(op="QuantizeLinear", name=label, inputs=(name, *found), outputs=(stored,))
    return replace(graph, nodes=(*graph.nodes, node), types=types, constants=constants), stored


def _refused(kind: str, name: str) -> CompileError:
    return CompileError(
        stage="lower", detail=f"{kind} {name!r}: expected to be quantized, as integer edges ask for, got float32",
        advice=_ADVICE,
    )  # fmt: skip
