"""The passes in front of the writer, in order; the graph is checked after each."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.ir.check import check_graph
from compiler.ir.graph import IrGraph
from compiler.tflite.passes import edges, signed


def run_passes(graph: IrGraph, *, integer_edges: bool) -> tuple[IrGraph, Mapping[str, str]]:
    """The graph, and what its inputs and outputs are called in the model where the graph calls them otherwise.

    Raises:
        CompileError: with ``integer_edges``, an input or output is not quantized.

    """
    graph = signed.run(graph)
    check_graph(graph, stage=signed.NAME)
    names: Mapping[str, str] = {}
    if integer_edges:
        graph, names = edges.run(graph)
        check_graph(graph, stage=edges.NAME)
    return graph, names
