"""The plots of a report, in their order."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.quantized import Quantized
from compiler.reports.plots import bars
from compiler.reports.plots.canvas import Plot
from compiler.reports.plots.layers import layers
from compiler.reports.plots.tradeoff import tradeoff
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
