"""One variant over the evaluation set."""

from __future__ import annotations

from collections.abc import Callable

from compiler.compilation import Evaluated, Reference
from compiler.measuring.runner import score, tensors
from compiler.measuring.variant_source import source_of_lowered
from compiler.metrics.agreement import agreement
from compiler.targets.target import Lowered
from edge_bundle.contract import Contract
from edge_runtime.factory import open_engine
from edge_runtime.trial import try_out

TRIED = frozenset({"litert", "qnn"})
"""Runtimes that get files of a writer of our own or of a vendor's compiler: a crash must cost that profile alone."""


def evaluate(
    variant: Lowered, contract: Contract, reference: Reference, *, on_sample: Callable[[], None] = lambda: None
) -> Evaluated:
    """Run the variant, or its stand-in, on every sample of the reference's set.

    Raises:
        EngineError: the runtime crashes in a process of its own, fails on a sample, or gives no finite numbers.

    """
    source, judge = variant.stand_in or source_of_lowered(variant, contract), reference.judge
    if source.runtime in TRIED:
        try_out(source, tensors(judge.dataset, 0))
    with open_engine(source) as engine:
        outputs = score(engine, judge.dataset, contract.scored, runtime=source.runtime, on_sample=on_sample)
    scored = judge.score(outputs)
    return Evaluated(
        lowered=variant,
        accuracy=judge.accuracy(scored),
        slices=judge.slices(scored),
        agreement=agreement(outputs, reference.outputs, contract.accuracy.metric),
        paired=judge.paired(scored, reference.scored),
    )
