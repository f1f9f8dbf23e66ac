"""The passes of the WebAssembly compiler, in order; the graph is checked after each."""

from __future__ import annotations

from collections.abc import Callable

from compiler.ir.check import check_graph
from compiler.ir.graph import IrGraph
from compiler.wasm.options import WasmOptions

PASSES: tuple[tuple[str, Callable[[IrGraph, WasmOptions], IrGraph]], ...] = ()
"""Name and pass. Order matters; each file's docstring says what it requires and ensures."""


def run_passes(graph: IrGraph, options: WasmOptions) -> IrGraph:
    """Run every pass.

    Raises:
        CompileError: a pass broke the grammar (a fault of ours), or cannot handle the graph.

    """
    check_graph(graph, stage="import")
    for name, step in PASSES:
        graph = step(graph, options)
        check_graph(graph, stage=name)
    return graph
