"""The passes of the WebAssembly compiler, in order; the graph is checked after each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from compiler.ir.body_passes import transformed_bodies
from compiler.ir.check import check_graph
from compiler.ir.graph import IrGraph
from compiler.wasm.check_operators import check_operators
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes import (
    affine,
    flat_rows,
    fuse,
    integers,
    layout,
    narrow,
    pads,
    products,
    residuals,
    sink,
    transposes,
    views,
    weights,
)

Pass: TypeAlias = Callable[[IrGraph, WasmOptions], IrGraph]

PASSES: tuple[tuple[str, Pass], ...] = (
    (views.NAME, views.run),
    (pads.NAME, pads.run),
    (products.NAME, products.run),
    (affine.NAME, affine.run),
    (layout.NAME, layout.run),
    (transposes.NAME, transposes.run),
    (f"{views.NAME} after layout", views.run),
    (sink.NAME, sink.run),
    (f"{views.NAME} after sinking", views.run),
    (integers.NAME, integers.run),
    (f"{views.NAME} of integers", views.run),
    (flat_rows.NAME, flat_rows.run),
    (residuals.NAME, residuals.run),
    (narrow.NAME, narrow.run),
    (weights.NAME, weights.run),
    (fuse.NAME, fuse.run),
)
"""Name and pass. Order matters; each file's docstring says what it requires and ensures."""


def run_passes(graph: IrGraph, options: WasmOptions) -> IrGraph:
    """Run every pass, on bodies first.

    Raises:
        CompileError: a pass broke the grammar (a fault of ours), or cannot handle the graph.

    """
    check_graph(graph, stage="import")
    check_operators(graph, stage="import")
    graph = transformed_bodies(graph, lambda body: run_passes(body, options))
    for name, step in PASSES:
        graph = step(graph, options)
        check_graph(graph, stage=name)
        check_operators(graph, stage=name)
    return graph
