"""Constants of a float model replaced, node by node; ``Clip`` nodes with one upper bound per channel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compiler.importer.model_file import from_proto, parse
from compiler.importer.onnx_rewrite import canonicalise
from compiler.importer.qdq_plan import Place


def rescale(
    data: bytes,
    constants: Mapping[Place, NDArray[np.float32]],
    bounds: Mapping[str, NDArray[np.float32]],
    *,
    stage: str,
) -> bytes:
    """The model with other constants. A node in ``bounds`` is a ``Clip`` from 0, which becomes ``Relu`` and ``Min``.

    ``bounds[node]`` has the rank of the value, so that it spreads over all but the channels.
    """
    model = parse(data, stage)
    graph = model.graph
    taken = {name for node in graph.node for name in (*node.input, *node.output)} | {n.name for n in graph.node}
    taken |= {tensor.name for tensor in graph.initializer}
    made: list[onnx.NodeProto] = []
    for node in graph.node:
        for index, name in enumerate(node.input):
            if (array := constants.get((node.name, index))) is not None:
                node.input[index] = _free(f"{name}_eq", taken)
                graph.initializer.append(numpy_helper.from_array(array, node.input[index]))
        made += _split(graph, node, bounds[node.name], taken) if node.name in bounds else [node]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in made]
    del graph.node[:]
    graph.node.extend(copies)
    return canonicalise(from_proto(model), stage=stage)


def _split(
    graph: onnx.GraphProto, node: onnx.NodeProto, bound: NDArray[np.float32], taken: set[str]
) -> list[onnx.NodeProto]:
    """A ``Clip`` as ``Relu``, with the node's name, and ``Min``."""
    above, limit = _free(f"{node.output[0]}_relu", taken), _free(f"{node.output[0]}_bound", taken)
    graph.initializer.append(numpy_helper.from_array(bound, limit))
    return [
        helper.make_node("Relu", [node.input[0]], [above], name=node.name),
        helper.make_node("Min", [above, limit], [node.output[0]], name=_free(f"{node.name}_min", taken)),
    ]


def _free(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 1
    while name in taken:
        name, count = f"{wanted}{count}", count + 1
    taken.add(name)
    return name
