"""Models made by hand, written as TFLite, run, and held against ONNX Runtime and exact arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper  # noqa: TID251 - made here, read by the package

from compiler.graph import Graph
from compiler.importer import summary
from compiler.tflite.model import TfliteModel
from edge_runtime.quiet_import import import_quietly
from tests.compiler.models import Shape, model

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")

from edge_runtime.litert_program import LiteRtProgram

Arrays = Mapping[str, NDArray[Any]]

ORT = import_quietly("onnxruntime")


def graph_of(proto: ModelProto) -> Graph:
    """The model as the compiler's passes hand it on."""
    return summary.summarise(proto.SerializeToString(), stage="test")


def run_onnx(graph: Graph, feed: Arrays) -> dict[str, NDArray[Any]]:
    """By ONNX Runtime, as the graph stands."""
    options = ORT.SessionOptions()
    options.graph_optimization_level = ORT.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ORT.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
    names = [spec.name for spec in graph.outputs]
    return dict(zip(names, session.run(names, dict(feed)), strict=True))


def run_tflite(data: bytes, feed: Arrays, *, kernels: str = "xnnpack") -> dict[str, NDArray[Any]]:
    """By LiteRT."""
    program = LiteRtProgram(data, threads=1, kernels=kernels)
    names = [tensor.name for tensor in program.outputs]
    return dict(zip(names, program.run(feed, names), strict=True))


def operators(made: TfliteModel) -> list[str]:
    """The TFLite operators, in order."""
    return [operation.op for operation in made.operations]


@dataclass(frozen=True)
class Case:
    """One node (or a few) with its inputs; shapes are those of ONNX."""

    nodes: Sequence[NodeProto]
    inputs: Mapping[str, Shape]
    output: Shape
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def graph(self, opset: int = 17) -> Graph:
        """The model."""
        proto = model(self.nodes, inputs=self.inputs, outputs={"y": self.output}, constants=self.constants, opset=opset)
        return graph_of(proto)

    def feed(self, seed: int = 1, low: float = -2.0) -> dict[str, NDArray[Any]]:
        """Random inputs."""
        rng = np.random.default_rng(seed)
        return {
            name: rng.uniform(low, 2.0, tuple(int(size) for size in shape)).astype(np.float32)
            for name, shape in self.inputs.items()
        }


def node(op: str, inputs: Sequence[str], output: str = "y", **attrs: Any) -> NodeProto:
    """A node of that name."""
    return helper.make_node(op, list(inputs), [output], name=output, **attrs)


def rand(*shape: int, seed: int = 7, scale: float = 1.0) -> NDArray[np.float32]:
    """Fixed random weights."""
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def ints(*values: int) -> NDArray[np.int64]:
    """An int64 vector."""
    return np.array(values, np.int64)
