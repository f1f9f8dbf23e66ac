"""The plots of a report, in their order."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.plots import bars
from compiler.plots.canvas import Plot
from compiler.plots.layers import layers
from compiler.plots.tradeoff import tradeoff
from compiler.quantized import Quantized
from edge_bundle.proof import AccuracyProof, Proof


def plots(proofs: Sequence[Proof], reference: AccuracyProof, quantized: Sequence[Quantized]) -> tuple[Plot, ...]:
    """All plots; those that have nothing to show are left out."""
    drawn = (
        tradeoff(proofs, reference),
        bars.accuracy(proofs, reference),
        bars.latency(proofs),
        bars.size(proofs),
        bars.slices(proofs),
        *layers(quantized, {proof.profile for proof in proofs}),
    )
    return tuple(plot for plot in drawn if plot is not None)
