"""A float model as steps of TensorFlow.js: NHWC, bias and activation fused wherever the library fuses them.

Covers the operators of the four models of the comparison, and refuses others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.importer.read_graph import read_graph
from compiler.ir.graph import IrGraph, Node

Step: TypeAlias = dict[str, Any]
"""``op``, ``inputs``, ``output``, and what ``peers/tfjs.js`` reads for that operator."""

RELU6 = (0.0, 6.0)


@dataclass
class Plan:
    """Steps in order; ``weights`` in the layouts of TensorFlow.js; ``shape`` of the input, NHWC for an image."""

    input: str
    output: str
    shape: list[int]
    steps: list[Step] = field(default_factory=list)
    weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)


def make_plan(model: bytes) -> Plan:
    """The plan of a fused float graph of batch 1. ``NotImplementedError`` for an operator that is not covered."""
    graph = read_graph(model, batch=1, dims={}, bind={}, stage="tfjs")
    (source,), (result,) = graph.inputs, graph.outputs
    plan = Plan(input=source, output=result, shape=_nhwc(graph.types[source].shape))
    users = graph.users()
    fused: dict[str, Node] = {}
    for node in graph.nodes:
        readers = users.get(node.output, [])
        if node.op in ("Conv", "Gemm") and len(readers) == 1 and _activation(graph, readers[0]):
            fused[node.name] = readers[0]
    skipped = {node.name for node in fused.values()}
    for node in graph.nodes:
        if node.name not in skipped:
            plan.steps.append(_step(graph, node, fused.get(node.name), plan))
    return plan


def to_nhwc(array: NDArray[Any]) -> NDArray[Any]:
    """An image tensor in the plan's layout; others as they are."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if array.ndim == 4 else array  # noqa: PLR2004


def _nhwc(shape: tuple[int, ...]) -> list[int]:
    return [shape[0], *shape[2:], shape[1]] if len(shape) == 4 else list(shape)  # noqa: PLR2004


def _activation(graph: IrGraph, node: Node) -> str:
    """``relu``, ``relu6`` or nothing."""
    if node.op == "Relu":
        return "relu"
    if node.op == "Clip" and tuple(graph.constants[name].item() for name in node.inputs[1:3]) == RELU6:
        return "relu6"
    return ""


def _step(graph: IrGraph, node: Node, activation: Node | None, plan: Plan) -> Step:
    step: Step = {
        "inputs": [name for name in node.inputs if name not in graph.constants],
        "output": (activation or node).output,
    }
    if activation is not None:
        step["activation"] = _activation(graph, activation)
    match node.op:
        case "Conv":
            return step | _conv(graph, node, plan)
        case "Gemm":
            return step | _gemm(graph, node, plan)
        case "Add" | "Softmax":
            return step | {"op": node.op.lower()}
        case "GlobalAveragePool":
            return step | {"op": "average"}
        case "Flatten" | "Reshape":
            return step | {"op": "reshape", "shape": list(graph.types[node.output].shape)}
    if named := _activation(graph, node):
        return step | {"op": named}
    raise NotImplementedError(f"expected an operator of the benchmark's models, got {node.op}")


def _conv(graph: IrGraph, node: Node, plan: Plan) -> Step:
    weights = graph.constants[node.input(1)]
    channels = graph.types[node.input(0)].shape[1]
    group = int(node.attrs.get("group", 1))
    if group not in (1, channels):
        raise NotImplementedError(f"expected a dense or depthwise convolution, got {group} groups of {channels}")
    top, left, bottom, right = node.attrs.get("pads", (0, 0, 0, 0))
    filter_ = weights.transpose(2, 3, 1, 0) if group == 1 else weights.transpose(2, 3, 0, 1)
    return {
        "op": "conv2d" if group == 1 else "depthwise",
        "strides": list(node.attrs.get("strides", (1, 1))),
        "pad": [[0, 0], [top, bottom], [left, right], [0, 0]],
        "filter": _keep(plan, node.input(1), filter_),
        "bias": _keep(plan, node.input(2), graph.constants[node.input(2)]),
    }


def _gemm(graph: IrGraph, node: Node, plan: Plan) -> Step:
    weights = graph.constants[node.input(1)]
    return {
        "op": "matmul",
        "filter": _keep(plan, node.input(1), weights.T if node.attrs.get("transB", 0) else weights),
        "bias": _keep(plan, node.input(2), graph.constants[node.input(2)]),
    }


def _keep(plan: Plan, name: str, array: NDArray[Any]) -> str:
    plan.weights[name] = np.ascontiguousarray(array, dtype=np.float32)
    return name


def places(arrays: dict[str, NDArray[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each array lies when they are written one after another."""
    at = 0
    for name, array in arrays.items():
        yield name, {"shape": list(array.shape), "offset": at, "bytes": array.nbytes}
        at += array.nbytes
