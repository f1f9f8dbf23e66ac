"""A small image network with everything that placement treats apart, and samples for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper  # noqa: TID251 - models are made here

from compiler.graph import Graph
from compiler.importer import onnx_rewrite, summary
from compiler.quantization.observe import observe
from compiler.quantization.observed import Observed, Row
from tests.compiler.models import model

ROWS = 12


def network(*, seed: int = 5, activation: str = "Clip") -> Graph:
    """Conv, activation, depthwise Conv, Add, MaxPool, Concat, GlobalAveragePool, Gemm and Softmax, weights uneven."""
    rng = np.random.default_rng(seed)
    uneven = np.exp(rng.normal(size=8)).astype(np.float32)

    def weights(*shape: int) -> NDArray[np.float32]:
        return np.asarray(rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])), np.float32)

    constants: dict[str, NDArray[Any]] = {
        "w1": weights(8, 3, 3, 3) * uneven[:, None, None, None], "b1": weights(8, 1).ravel() * uneven,
        "w2": weights(8, 1, 3, 3), "b2": weights(8, 1).ravel(),
        "w3": weights(8, 8, 1, 1), "b3": weights(8, 1).ravel(),
        "w4": weights(5, 16), "b4": weights(5, 1).ravel(),
        "zero": np.zeros((), np.float32), "six": np.full((), 2.0, np.float32),
    }  # fmt: skip
    bounds = ["zero", "six"] if activation == "Clip" else []
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node(activation, ["c1", *bounds], ["a1"], name="bounded"),
        helper.make_node("Conv", ["a1", "w2", "b2"], ["c2"], name="depthwise", group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["a2"], name="relu"),
        helper.make_node("Conv", ["a2", "w3", "b3"], ["c3"], name="pointwise"),
        helper.make_node("Add", ["c3", "a2"], ["s"], name="sum"),
        helper.make_node("MaxPool", ["s"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("AveragePool", ["a2"], ["q"], name="mean", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Concat", ["p", "q"], ["j"], name="join", axis=1),
        helper.make_node("GlobalAveragePool", ["j"], ["g"], name="global"),
        helper.make_node("Flatten", ["g"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["z"], name="last", transB=1),
        helper.make_node("Softmax", ["z"], ["y"], name="head"),
    ]
    made = model(nodes, inputs={"x": ("N", 3, 8, 8)}, outputs={"y": ("N", 5)}, constants=constants)
    data = onnx_rewrite.canonicalise(made.SerializeToString(), stage="test")
    return summary.summarise(data, stage="test")


def samples(count: int = ROWS, *, seed: int = 7) -> list[Row]:
    """Images of smooth noise."""
    rng = np.random.default_rng(seed)
    return [{"x": rng.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(count)]


def observed(graph: Graph) -> Observed:
    """What calibration sees."""
    return observe(graph, samples())
