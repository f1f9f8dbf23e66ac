"""The front door: a quantized graph that keeps the contract, with as few layers put back as that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.accuracy_control.reasons import counted, explained
from compiler.accuracy_control.search import Found, Search
from compiler.accuracy_control.sensitivity import ROWS, harm
from compiler.accuracy_control.trial import Quantizer, Trial
from compiler.compilation import Reference
from compiler.graph import Graph
from compiler.progress import Progress
from compiler.promises import check_accuracy, missed_accuracy, shortfall
from compiler.quantization.observed import Row
from compiler.quantized import Quantized
from compiler.runner import reference_scores
from compiler.scheme import Scheme
from edge_bundle.contract import Contract
from edge_bundle.errors import CompileError, ContractNotMetError
from hardware_profiles.schema import Activations, Fallback

NAME = "accuracy control"

_WIDE = frozenset({Activations.UINT16, Activations.INT16})


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is quantized and what it must keep.

    ``profiles`` are named in errors; ``rows`` are calibration samples (none: sensitivity takes evaluation samples).
    """

    graph: Graph
    scheme: Scheme
    rows: Sequence[Row]
    contract: Contract
    reference: Reference
    profiles: str


def control(quantizer: Quantizer, first: Quantized, task: Task, progress: Progress) -> Quantized:
    """``first`` itself if it keeps the contract's accuracy; otherwise the mix that does.

    The evaluation set is run by ONNX Runtime, once for each mix that is tried.

    Raises:
        ContractNotMetError: no mix keeps it; the best one is told.
        CompileError, EngineError: ONNX Runtime refuses a graph, or it gives no finite numbers.

    """
    check_accuracy(task.contract, task.profiles, task.reference.accuracy, task.reference.accuracy)
    tried = _hold(first, frozenset(), task, progress)
    if tried.holds:
        return first
    precision = _fallback(task.scheme)
    layers = [layer.name for layer in first.layers if layer.precision != "float"]
    if precision is None or not layers:
        raise _refused(Found(best=tried, without={}, freed=frozenset(), trials=0), task, None)
    harms = _sensitivity(quantizer, layers, precision, task, progress)

    def attempt(kept: frozenset[str]) -> Trial:
        return _hold(quantizer.quantize(dict.fromkeys(sorted(kept), precision)), kept, task, progress)

    # A graph that is float throughout is no variant of this profile; one of 16 bits still is.
    most = len(harms) - (precision == Fallback.FLOAT)
    found = Search(tried, list(harms), attempt, most=most).run()
    if not found.best.holds:
        raise _refused(found, task, precision)
    return explained(found, tried, harms, task.reference.accuracy)


def _hold(quantized: Quantized, kept: frozenset[str], task: Task, progress: Progress) -> Trial:
    """Run the evaluation set, and compare with the contract."""
    reference, judge = task.reference, task.reference.judge
    what = f"{counted(len(kept))} kept" if kept else str(task.scheme)
    progress.start(f"{NAME}: {what}", judge.dataset.samples)
    outputs = reference_scores(quantized.graph.model, task.contract, judge.dataset, on_sample=progress.advance)
    accuracy = judge.accuracy(judge.score(outputs))
    progress.done()
    missed = shortfall(task.contract, accuracy, reference.accuracy)
    return Trial(kept=kept, quantized=quantized, accuracy=accuracy, shortfall=missed)


def _sensitivity(
    quantizer: Quantizer, layers: Sequence[str], precision: str, task: Task, progress: Progress
) -> dict[str, float]:
    progress.start(f"{NAME}: sensitivity", len(layers))
    dataset = task.reference.judge.dataset
    rows = task.rows or [dataset.row(index) for index in range(min(ROWS, dataset.samples))]
    found = harm(task.graph, quantizer, layers, precision, rows, task.contract.scored.name, progress)
    progress.done()
    return dict(found)


def _fallback(scheme: Scheme) -> str | None:
    """What layers go back to; ``None`` where the device has nothing better than the scheme."""
    if scheme.activations is None:
        return Fallback.FLOAT.value if scheme.fallback is Fallback.FLOAT else None
    if scheme.fallback is Fallback.NONE or (scheme.fallback is Fallback.INT16 and scheme.activations in _WIDE):
        return None
    return scheme.fallback.value


def _refused(found: Found, task: Task, precision: str | None) -> ContractNotMetError:
    """The best mix, in numbers."""
    best, kept = found.best, len(found.best.kept)
    missed = missed_accuracy(task.contract, task.profiles, best.accuracy, task.reference.accuracy)
    if missed is None:
        raise CompileError(stage=NAME, detail="expected a mix that misses the contract, got one that keeps it")
    mix = f"with {counted(kept)} in {precision}" if kept else f"with every layer as {task.scheme}"
    told = f"the best of {found.trials + 1} mixes" if precision else "and the device has nothing else to fall back to"
    advice = "give more or more typical calibration samples, allow a larger max_drop, or take a profile of more bits"
    return ContractNotMetError(
        profile=missed.profile,
        rule=missed.rule,
        expected=missed.expected,
        got=f"{missed.got}, {mix}, {told}",
        advice=advice,
    )
