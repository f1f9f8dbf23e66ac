"""Nodes without weights are quantized for the sake of layers: an island between float nodes stays float."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from onnx import helper  # noqa: TID251 - models are made here

from compiler.graph import Graph
from compiler.importer import onnx_rewrite, summary
from compiler.importer.qdq_read import read_network
from compiler.quantization.layers import layers_of
from compiler.quantization.observe import observe
from compiler.quantization.placement import place
from compiler.quantization.quantize import quantize
from compiler.scheme import Scheme
from edge_bundle.errors import CompileError
from hardware_profiles.schema import Activations, Fallback
from tests.compiler.models import model

CPU = Scheme(Activations.UINT8)
NPU = Scheme(Activations.UINT8, fallback=Fallback.INT16)


def magnitudes() -> Graph:
    """A filter bank, the sum of two squares of its halves (an island between Pow and Sqrt), and a layer behind."""
    rng = np.random.default_rng(3)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="bank", pads=[1, 1]),
        helper.make_node("Split", ["c"], ["re", "im"], name="halves", axis=1, num_outputs=2),
        helper.make_node("Pow", ["re", "two"], ["re2"], name="square"),
        helper.make_node("Pow", ["im", "two"], ["im2"], name="square_too"),
        helper.make_node("Add", ["re2", "im2"], ["power"], name="island"),
        helper.make_node("Sqrt", ["power"], ["m"], name="root"),
        helper.make_node("Conv", ["m", "v"], ["d"], name="layer"),
        helper.make_node("Add", ["d", "d"], ["e"], name="joined"),
        helper.make_node("Relu", ["e"], ["y"], name="end"),
    ]
    constants = {
        "w": rng.normal(size=(8, 1, 3)).astype(np.float32),
        "v": rng.normal(size=(4, 4, 1)).astype(np.float32),
        "two": np.full((), 2.0, np.float32),
    }
    made = model(nodes, inputs={"x": (1, 1, 16)}, outputs={"y": (1, 4, 16)}, constants=constants, opset=18)
    return summary.summarise(onnx_rewrite.canonicalise(made.SerializeToString(), stage="test"), stage="test")


@pytest.mark.parametrize(
    ("scheme", "keep", "quantized"),
    [
        pytest.param(CPU, [], {"bank", "layer", "joined"}, id="the island is left out"),
        pytest.param(CPU, ["layer"], {"bank"}, id="what a kept layer leaves behind is an island too"),
        pytest.param(CPU, ["bank", "layer"], set(), id="without layers nothing is quantized"),
        pytest.param(NPU, [], {"bank", "island", "layer", "joined"}, id="a device without float takes all it can"),
    ],
)
def test_who_reads_stored_values(scheme: Scheme, keep: list[str], quantized: set[str]) -> None:
    network = read_network(magnitudes().model, stage="test")
    placement = place(network, layers_of(network), scheme, dict.fromkeys(keep, "float"))
    readers = Counter(name for name, _ in placement.reads)
    assert {name for name in ("bank", "island", "layer", "joined") if readers[name]} == quantized


def test_a_graph_of_islands_is_refused_by_name() -> None:
    nodes = [helper.make_node("Add", ["x", "x"], ["s"], name="sum"), helper.make_node("Relu", ["s"], ["y"], name="end")]
    made = model(nodes, inputs={"x": (1, 4)}, outputs={"y": (1, 4)})
    graph = summary.summarise(onnx_rewrite.canonicalise(made.SerializeToString(), stage="test"), stage="test")
    rows = [{"x": np.full((1, 4), value, np.float32)} for value in np.linspace(-1, 1, 12)]
    with pytest.raises(CompileError, match="expected a layer in the graph itself, got none") as caught:
        quantize(graph, observe(graph, rows), CPU)
    assert "fp32 profiles" in caught.value.advice
