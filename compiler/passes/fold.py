"""Pass 3, fold: what depends on constants only is computed now; duplicate and idle nodes go.

Requires: a normalised graph.
Ensures:
    1. no ``Constant`` or ``Identity`` node is left in the main graph;
    2. inputs and outputs are unchanged; operators stay in ai.onnx (the pipeline's check).
"""

from __future__ import annotations

from dataclasses import replace

from compiler.compilation import Compilation, need
from compiler.ort_rewrite import rewrite
from compiler.passes.ensures import ensure
from compiler.progress import Progress

NAME = "fold"

FUSIONS = (
    "ConvAddFusion", "ConvBNFusion", "ConvMulFusion", "GemmSumFusion", "GemmTransposeFusion", "MatMulAddFusion",
    "MatmulBNFusion", "Pad_Fusion", "ReluClip_Fusion",
)  # fmt: skip
"""Basic optimisers that merge computing nodes; they are the next pass's."""


def run(state: Compilation, progress: Progress) -> Compilation:
    """Fold constants.

    Raises:
        CompileError: ONNX Runtime cannot take the model.

    """
    progress.start(NAME, 1)
    graph = rewrite(state.current, stage=NAME, without=FUSIONS)
    progress.advance()
    progress.done()
    return replace(state, graph=graph)


def check(state: Compilation) -> None:
    """Rules 1 and 2."""
    graph, before = state.current, need(state.reference_graph, "imported graph")
    ensure("Constant" not in graph.op_counts, stage=NAME, promise="no Constant node is left")
    ensure((graph.inputs, graph.outputs) == (before.inputs, before.outputs), stage=NAME, promise="same interface")
