"""The front door: a quantized graph that keeps the contract, with as few layers put back as that takes.

``control`` serves a whole scheme and lets ONNX Runtime judge. ``control_on_device`` serves one profile whose own
arithmetic turned out to cost more than the contract allows, and lets that arithmetic judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from compiler.accuracy_control.few_trials import MAX_TRIALS, few_trials
from compiler.accuracy_control.reasons import explained, refused
from compiler.accuracy_control.search import Found, Search
from compiler.accuracy_control.sensitivity import order_of, ranked
from compiler.accuracy_control.task import NAME, Task, fallback_of, most_kept
from compiler.accuracy_control.trial import Quantizer, Run, Trial
from compiler.measuring.runner import reference_scores
from compiler.progress import Progress, shared_by
from compiler.promises import shortfall
from compiler.quantized import Quantized
from edge_bundle.proof import AccuracyProof


def control(quantizer: Quantizer, first: Quantized, task: Task, progress: Progress) -> Quantized:
    """``first`` itself if it keeps the contract's accuracy; otherwise the mix that does.

    The evaluation set is run by ONNX Runtime, once for each mix that is tried.

    Raises:
        ContractNotMetError: no mix keeps it; the best one is told.
        CompileError, EngineError: ONNX Runtime refuses a graph, or it gives no finite numbers.

    """
    progress.start(f"{NAME} {shared_by(task.profiles)}", task.reference.judge.dataset.samples)
    tried = _held(_by_onnxruntime(first, task, progress.advance), frozenset(), task)
    progress.done()
    if tried.holds:
        return first
    precision = fallback_of(task.scheme)
    if precision is None or all(layer.precision == "float" for layer in first.layers):
        raise refused(_nothing(tried), task, None)
    first = ranked(quantizer, first, precision, task, progress)
    order = order_of(first)

    def attempt(kept: frozenset[str]) -> Trial:
        trial = _held(_by_onnxruntime(_mixed(quantizer, kept, precision), task), kept, task)
        progress.advance()
        return trial

    progress.start(f"{NAME} {shared_by(task.profiles)}: mixes", 0)
    found = Search(tried, order, attempt, most=most_kept(len(order), precision)).run()
    progress.done()
    if not found.best.holds:
        raise refused(found, task, precision)
    return explained(_mixed(quantizer, found.best.kept, precision), first, found, tried, task)


def control_on_device(
    quantizer: Quantizer, first: Quantized, accuracy: AccuracyProof, task: Task, run: Run, progress: Progress
) -> Quantized:
    """The mix that keeps the contract as the device computes, with at least the layers kept that ``first`` keeps.

    ``first`` is ``ranked``, if there is anything to fall back to; ``accuracy`` is what the device made of it. ``run``
    compiles a mix for the device and runs the evaluation set there, at most ``few_trials.MAX_TRIALS`` times.

    Raises:
        ContractNotMetError: no mix keeps it, or there is nothing to fall back to; the best one is told.

    """
    before = frozenset(layer.name for layer in first.layers if layer.kept)
    tried, precision = _held(accuracy, before, task), fallback_of(task.scheme)
    order = order_of(first)
    if precision is None or not order:
        raise refused(_nothing(tried), task, None)

    def attempt(kept: frozenset[str]) -> Trial | None:
        got = run(_mixed(quantizer, kept, precision))
        progress.advance()
        return None if got is None else _held(got, kept, task)

    progress.start(f"{NAME} {shared_by(task.profiles)}: own mixes", MAX_TRIALS)
    found = few_trials(tried, order, attempt, most=most_kept(len(order), precision))
    progress.done()
    if not found.best.holds:
        raise refused(found, task, precision)
    made = explained(_mixed(quantizer, found.best.kept, precision), first, found, tried, task)
    return replace(made, profiles=task.profiles, judge=task.judge)


def _mixed(quantizer: Quantizer, kept: frozenset[str], precision: str) -> Quantized:
    return quantizer.quantize(dict.fromkeys(sorted(kept), precision))


def _nothing(tried: Trial) -> Found:
    """The result of a search that has nothing to try."""
    return Found(best=tried, without={}, freed=frozenset(), trials=0)


def _held(accuracy: AccuracyProof, kept: frozenset[str], task: Task) -> Trial:
    missed = shortfall(task.contract, accuracy, task.reference.accuracy)
    return Trial(kept=kept, accuracy=accuracy, shortfall=missed)


def _by_onnxruntime(quantized: Quantized, task: Task, on_sample: Callable[[], None] = lambda: None) -> AccuracyProof:
    judge = task.reference.judge
    outputs = reference_scores(quantized.graph.model, task.contract, judge.dataset, on_sample=on_sample)
    return judge.accuracy(judge.score(outputs))
