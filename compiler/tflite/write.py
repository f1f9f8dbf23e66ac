"""The front door: ONNX bytes in, float or in QDQ form; a TFLite flatbuffer out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from compiler.graph import Graph
from compiler.importer.read_graph import read_graph
from compiler.ir.check import check_graph
from compiler.tflite.flatbuffer import to_bytes
from compiler.tflite.lower import lower_graph
from compiler.tflite.model import TfliteModel
from compiler.tflite.passes.pipeline import run_passes

STAGE = "lower"


def write_tflite(
    graph: Graph,
    *,
    batch: int = 1,
    dims: Mapping[str, int] | None = None,
    bind: Mapping[str, NDArray[Any]] | None = None,
) -> bytes:
    """A graph as a TFLite model; the same graph gives the same bytes.

    Inputs and outputs keep their names, order, shapes and dtypes.

    Raises:
        UnsupportedOperatorError: no rule covers a node; names operator, node and reason.
        CompileError: a shape stays open.
        RuntimeMissingError: ai-edge-litert, whose schema is used, is not installed.

    """
    return to_bytes(make_model(graph, batch=batch, dims=dims, bind=bind))


def make_model(
    graph: Graph,
    *,
    batch: int = 1,
    dims: Mapping[str, int] | None = None,
    bind: Mapping[str, NDArray[Any]] | None = None,
) -> TfliteModel:
    """The model that ``write_tflite`` writes."""
    read = read_graph(graph.model, batch=batch, dims=dims or {}, bind=bind or {}, stage=STAGE)
    check_graph(read, stage=STAGE)
    return lower_graph(run_passes(read))
