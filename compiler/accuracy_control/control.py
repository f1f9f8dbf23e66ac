"""The front door: a quantized graph that keeps the contract, with as few layers put back as that takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compiler.accuracy_control.reasons import counted, explained
from compiler.accuracy_control.search import Found, Search
from compiler.accuracy_control.sensitivity import ROWS, harm
from compiler.accuracy_control.trial import Quantizer, Trial
from compiler.compilation import Reference
from compiler.graph import Graph
from compiler.measuring.runner import reference_scores
from compiler.progress import Progress, shared_by
from compiler.promises import missed_accuracy, shortfall
from compiler.quantization.observed import Row
from compiler.quantized import Quantized
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
    profiles: tuple[str, ...]


def control(quantizer: Quantizer, first: Quantized, task: Task, progress: Progress) -> Quantized:
    """``first`` itself if it keeps the contract's accuracy; otherwise the mix that does.

    The evaluation set is run by ONNX Runtime, once for each mix that is tried.

    Raises:
        ContractNotMetError: no mix keeps it; the best one is told.
        CompileError, EngineError: ONNX Runtime refuses a graph, or it gives no finite numbers.

    """
    progress.start(f"{NAME} {shared_by(task.profiles)}", task.reference.judge.dataset.samples)
    tried = _hold(first, frozenset(), task, progress.advance)
    progress.done()
    if tried.holds:
        return first
    precision = _fallback(task.scheme)
    layers = [layer.name for layer in first.layers if layer.precision != "float"]
    if precision is None or not layers:
        raise _refused(Found(best=tried, without={}, freed=frozenset(), trials=0), task, None)
    harms = _sensitivity(quantizer, layers, precision, task, progress)

    def mixed(kept: frozenset[str]) -> Quantized:
        return quantizer.quantize(dict.fromkeys(sorted(kept), precision))

    def attempt(kept: frozenset[str]) -> Trial:
        trial = _hold(mixed(kept), kept, task)
        progress.advance()
        return trial

    # A graph that is float throughout is no variant of this profile; one of 16 bits still is.
    most = len(harms) - (precision == Fallback.FLOAT)
    progress.start(f"{NAME}: mixes", 0)
    found = Search(tried, list(harms), attempt, most=most).run()
    progress.done()
    if not found.best.holds:
        raise _refused(found, task, precision)
    return explained(mixed(found.best.kept), found, tried, harms, task.reference.accuracy)


def _hold(
    quantized: Quantized, kept: frozenset[str], task: Task, on_sample: Callable[[], None] = lambda: None
) -> Trial:
    """Run the evaluation set, and compare with the contract."""
    reference, judge = task.reference, task.reference.judge
    outputs = reference_scores(quantized.graph.model, task.contract, judge.dataset, on_sample=on_sample)
    accuracy = judge.accuracy(judge.score(outputs))
    missed = shortfall(task.contract, accuracy, reference.accuracy)
    return Trial(kept=kept, accuracy=accuracy, shortfall=missed)


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
    missed = missed_accuracy(task.contract, ", ".join(task.profiles), best.accuracy, task.reference.accuracy)
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
