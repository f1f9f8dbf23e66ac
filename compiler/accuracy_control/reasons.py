"""Why each layer has its precision, in words with numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compiler.accuracy_control.search import Found
from compiler.accuracy_control.trial import Trial
from compiler.metrics.text import amount_text, drop_of
from compiler.quantized import Layer, Quantized
from edge_bundle.proof import AccuracyProof


def counted(layers: int) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{layers} layer{'s' if layers != 1 else ''}"


def explained(
    quantized: Quantized, found: Found, first: Trial, harm: Mapping[str, float], reference: AccuracyProof
) -> Quantized:
    """The graph of the mix that was found, with a reason for every layer looked at, and a note on the search."""
    best = found.best

    def reason(layer: Layer) -> str:
        if layer.name not in harm:
            return layer.reason
        alone = f"quantized alone it leaves the output {harm[layer.name]:.1f} dB"
        if layer.name in best.kept:
            return f"{alone}; {_kept(found, layer.name, reference)}"
        return f"{alone}; kept for a trial and not needed" if layer.name in found.freed else alone

    layers = tuple(replace(layer, reason=reason(layer)) for layer in quantized.layers)
    return replace(quantized, layers=layers, notes=(*quantized.notes, _note(found, first, harm, reference)))


def _kept(found: Found, name: str, reference: AccuracyProof) -> str:
    without = found.without.get(name)
    if without is None:
        return "kept with the others of its harm and more"
    return f"drop {_drop(without, reference)} without keeping it, {_drop(found.best, reference)} with"


def _note(found: Found, first: Trial, harm: Mapping[str, float], reference: AccuracyProof) -> str:
    return (
        f"Accuracy control kept {len(found.best.kept)} of {counted(len(harm))} after {found.trials + 1} mixes: "
        f"drop {_drop(first, reference)} -> {_drop(found.best, reference)}."
    )


def _drop(trial: Trial, reference: AccuracyProof) -> str:
    return amount_text(trial.accuracy.metric, drop_of(trial.accuracy, reference))
