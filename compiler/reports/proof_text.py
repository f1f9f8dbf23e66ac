"""A proof in words and figures, as every report shows it."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.metrics.text import drop_of, drop_text, share_text
from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof, AgreementProof, Execution, KeptLayer, PairedProof, PlacementProof, Proof

NOTHING = "-"
"""A figure that a variant cannot have."""

_NOT_TIMED = {
    Execution.DEVICE: "not timed",
    Execution.EMULATOR: "emulated",
    Execution.SIMULATOR: "simulated",
    Execution.STAND_IN: "compile-only",
}
"""Why a variant has no latency: nothing here runs at its device's speed."""


def latency_texts(proof: Proof) -> tuple[str, str, str]:
    """p50, p90 and p99 in microseconds; where there are none, why, and what the vendor's compiler expects."""
    timed = proof.latency
    if timed is not None:
        return f"{timed.p50_us:,.1f}", f"{timed.p90_us:,.1f}", f"{timed.p99_us:,.1f}"
    expected = f"est. {proof.estimate.latency_us:,.0f}" if proof.estimate else NOTHING
    return expected, NOTHING, NOTHING


def execution_text(proof: Proof) -> str:
    """Nothing for a variant that ran on its device, else what stood in for it."""
    return "" if proof.latency is not None else _NOT_TIMED[proof.measured_on.execution]


def agreement_text(agreement: AgreementProof) -> str:
    """``99.8 %`` equal first answers, or the cosine similarity of an output of one number."""
    if agreement.top1 is None:
        return f"cos {agreement.cosine:.4f}"
    return share_text(agreement.top1)


def sqnr_text(agreement: AgreementProof) -> str:
    """Decibels; ``exact`` where not one bit differs."""
    return "exact" if agreement.sqnr_db is None else f"{agreement.sqnr_db:.1f}"


def loss_text(got: AccuracyProof, reference: AccuracyProof) -> str:
    """How much worse than float, with its sign; in points where values are in per cent."""
    return drop_text(got.metric, drop_of(got, reference))


def paired_text(paired: PairedProof | None, metric: Metric) -> str:
    """``-0.61 to 0.21, p 0.55``: the interval of the drop, and the test against float, sample by sample."""
    if paired is None:
        return NOTHING
    return f"{drop_text(metric, paired.low)} to {drop_text(metric, paired.high)}, p {paired.p_value:.2g}"


def placement_text(placement: PlacementProof | None) -> str:
    """``27/27 HTP``: nodes on the device, of all."""
    return NOTHING if placement is None else f"{placement.on_device}/{placement.nodes} {placement.device}"


def kept_layers(proofs: Sequence[Proof]) -> list[tuple[str, KeptLayer]]:
    """Layers that are not in their variant's precision, each with the profiles it is kept in; in their order."""
    found: dict[KeptLayer, list[str]] = {}
    for proof in proofs:
        for layer in proof.quantization.kept if proof.quantization else ():
            found.setdefault(layer, []).append(proof.profile)
    return [(", ".join(profiles), layer) for layer, profiles in found.items()]
