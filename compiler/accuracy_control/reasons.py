"""Why each layer has its precision, or why no mix of precisions will do, in words with numbers."""

from __future__ import annotations

from dataclasses import replace

from compiler.accuracy_control.search import Found
from compiler.accuracy_control.task import NAME, Task
from compiler.accuracy_control.trial import Trial
from compiler.metrics.text import amount_text, drop_of
from compiler.promises import missed_accuracy
from compiler.quantized import Layer, Quantized
from edge_bundle.errors import CompileError, ContractNotMetError
from edge_bundle.proof import AccuracyProof


def counted(layers: int) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{layers} layer{'s' if layers != 1 else ''}"


def explained(quantized: Quantized, first: Quantized, found: Found, tried: Trial, task: Task) -> Quantized:
    """The graph of the mix that was found, with a reason for every layer looked at, and notes on the search.

    ``first`` is what the search began with, its layers ranked, and ``tried`` its trial; the reasons and notes that it
    has already stay.
    """
    reference, before = task.reference.accuracy, {layer.name: layer for layer in first.layers}
    judged = f", as {task.judge} computes" if task.judge else ""

    def told(layer: Layer) -> Layer:
        was = before[layer.name]
        if was.kept or was.alone_db is None:
            return replace(layer, reason=was.reason, alone_db=was.alone_db)
        alone = f"quantized alone it leaves the output {was.alone_db:.1f} dB"
        if layer.kept:
            alone += f"; {_kept(found, layer.name, reference)}{judged}"
        elif layer.name in found.freed:
            alone += "; kept for a trial and not needed"
        return replace(layer, reason=alone, alone_db=was.alone_db)

    ranked = sum(layer.alone_db is not None for layer in first.layers)
    note = (
        f"Accuracy control kept {len(found.best.kept)} of {counted(ranked)} after {found.trials + 1} mixes: "
        f"drop {_drop(tried, reference)} -> {_drop(found.best, reference)}{judged}."
    )
    return replace(quantized, layers=tuple(map(told, quantized.layers)), notes=(*first.notes, note))


def refused(found: Found, task: Task, precision: str | None) -> ContractNotMetError:
    """The best mix, in numbers."""
    best, kept = found.best, len(found.best.kept)
    missed = missed_accuracy(task.contract, ", ".join(task.profiles), best.accuracy, task.reference.accuracy)
    if missed is None:
        raise CompileError(stage=NAME, detail="expected a mix that misses the contract, got one that keeps it")
    mix = f"with {counted(kept)} in {precision}" if kept else f"with every layer as {task.scheme}"
    told = f"the best of {found.trials + 1} mixes" if precision else "and the device has nothing else to fall back to"
    told += f", of which the device's tools do not take {found.declined}" if found.declined else ""
    told += f", judged by {task.judge}" if task.judge else ""
    advice = "give more or more typical calibration samples, allow a larger max_drop, or take a profile of more bits"
    return ContractNotMetError(
        profile=missed.profile,
        rule=missed.rule,
        expected=missed.expected,
        got=f"{missed.got}, {mix}, {told}",
        advice=advice,
    )


def _kept(found: Found, name: str, reference: AccuracyProof) -> str:
    without = found.without.get(name)
    if without is None:
        return "kept with the others of its harm and more"
    return f"drop {_drop(without, reference)} without keeping it, {_drop(found.best, reference)} with"


def _drop(trial: Trial, reference: AccuracyProof) -> str:
    return amount_text(trial.accuracy.metric, drop_of(trial.accuracy, reference))
