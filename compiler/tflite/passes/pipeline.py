"""The passes in front of the writer, in order; the graph is checked after each."""

from __future__ import annotations

from compiler.ir.check import check_graph
from compiler.ir.graph import IrGraph
from compiler.tflite.passes import signed, spell


def run_passes(graph: IrGraph) -> IrGraph:
    """The graph as the writer takes it.

    Raises:
        UnsupportedOperatorError: an operator that cannot be spelled out; names operator, node and reason.

    """
    for name, step in ((spell.NAME, spell.run), (signed.NAME, signed.run)):
        graph = step(graph)
        check_graph(graph, stage=name)
    return graph
