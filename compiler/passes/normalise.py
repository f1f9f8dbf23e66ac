"""Pass 2, normalise: one spelling of the same model.

Requires: an imported graph.
Ensures:
    1. opset at least 13 (per-channel QuantizeLinear), IR valid;
    2. every node has a unique name, every value an inferred type (strict mode);
    3. no dead initialisers, none that is also an input, no free text;
    4. normalising again gives the same bytes.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.compilation import Compilation
from compiler.importer import model_file, onnx_rewrite, summary
from compiler.passes.ensures import ensure
from compiler.progress import Progress

NAME = "normalise"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Rewrite the graph.

    Raises:
        CompileError: shapes cannot be inferred, or the opset cannot be raised.

    """
    progress.start(NAME, 1)
    graph = summary.summarise(onnx_rewrite.normalise(state.current.model, stage=NAME), stage=NAME)
    progress.advance()
    progress.done()
    return replace(state, graph=graph)


def check(state: Compilation) -> None:
    """Rules 1 and 4."""
    graph = state.current
    ensure(graph.opset >= model_file.MIN_OPSET, stage=NAME, promise=f"opset at least {model_file.MIN_OPSET}")
    again = onnx_rewrite.normalise(graph.model, stage=NAME)
    ensure(again == graph.model, stage=NAME, promise="normalising twice changes nothing")
