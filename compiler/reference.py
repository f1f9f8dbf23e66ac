"""The fp32 reference of a compile, measured once: by the first pass that needs it."""

from __future__ import annotations

from compiler.compilation import Compilation, Reference, need
from compiler.measuring.runner import reference_scores
from compiler.progress import Progress


def reference_of(state: Compilation, progress: Progress) -> Reference:
    """The imported model in fp32 under ONNX Runtime over the evaluation set, and what the metric says of it.

    Raises:
        EngineError: the model fails on a sample.
        InvalidInputError: the user's metric fails.

    """
    if state.reference is not None:
        return state.reference
    sources, graph = state.sources, need(state.reference_graph, "imported graph")
    progress.start("fp32 reference", sources.evaluation.samples)
    outputs = reference_scores(graph.model, sources.contract, sources.evaluation, on_sample=progress.advance)
    judge = sources.judge.knowing(outputs)
    scored = judge.score(outputs)
    progress.done()
    return Reference(outputs=outputs, judge=judge, scored=scored, accuracy=judge.accuracy(scored))
