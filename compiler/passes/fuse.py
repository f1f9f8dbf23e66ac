"""Pass 4, fuse: Conv+BatchNormalization, Conv+Mul, Conv+Add, MatMul+Add, Pad+Conv and Relu+Clip become one node.

Requires: a folded graph.
Ensures:
    1. inputs and outputs are unchanged; operators stay in ai.onnx (the pipeline's check);
    2. there are not more nodes than before.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.compilation import Compilation, need
from compiler.ort_rewrite import rewrite
from compiler.passes.ensures import ensure
from compiler.progress import Progress

NAME = "fuse"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Fuse.

    Raises:
        CompileError: ONNX Runtime cannot take the model.

    """
    progress.start(NAME, 1)
    graph = rewrite(state.current, stage=NAME)
    ensure(sum(graph.op_counts.values()) <= sum(state.current.op_counts.values()), stage=NAME, promise="no more nodes")
    progress.advance()
    progress.done()
    return replace(state, graph=graph)


def check(state: Compilation) -> None:
    """Rule 1; rule 2 was checked where both graphs are at hand."""
    graph, before = state.current, need(state.reference_graph, "imported graph")
    ensure((graph.inputs, graph.outputs) == (before.inputs, before.outputs), stage=NAME, promise="same interface")
