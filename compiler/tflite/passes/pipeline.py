"""The passes in front of the writer, in order; the graph is checked after each."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.ir.check import check_graph
from compiler.ir.graph import IrGraph
from compiler.tflite.passes import edges, signed, spell


def run_passes(graph: IrGraph, *, integer_edges: bool) -> tuple[IrGraph, Mapping[str, str]]:
    """The graph, and what its inputs and outputs are called in the model where the graph calls them otherwise.

    Raises:
        UnsupportedOperatorError: an operator that cannot be spelled out; names operator, node and reason.
        CompileError: with ``integer_edges``, an input or output is not quantized.

    """
    for name, step in ((spell.NAME, spell.run), (signed.NAME, signed.run)):
        graph = step(graph)
        check_graph(graph, stage=name)
    names: Mapping[str, str] = {}
    if integer_edges:
        graph, names = edges.run(graph)
        check_graph(graph, stage=edges.NAME)
    return graph, names
