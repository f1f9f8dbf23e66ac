"""Whether measured figures keep what the contract promises. Pure rules."""

from __future__ import annotations

from edge_bundle.contract import Contract
from edge_bundle.errors import ContractNotMetError
from edge_bundle.proof import AccuracyProof, LatencyProof

POINT = 100.0
"""Percentage points per unit of accuracy."""

ROUNDING = 1e-12
"""Slack for the float arithmetic of comparing two fractions, far below one sample in any set."""

US_PER_MS = 1000.0


def check_accuracy(contract: Contract, profile: str, got: AccuracyProof, reference: AccuracyProof) -> None:
    """``accuracy.max_drop`` and ``accuracy.minimum``.

    Raises:
        ContractNotMetError: says by how much, in percentage points.

    """
    target = contract.accuracy
    drop = got.value - reference.value if target.metric.lower_is_better else reference.value - got.value
    if drop > target.max_drop + ROUNDING:
        raise ContractNotMetError(
            profile=profile,
            rule="accuracy.max_drop",
            expected=f"at most {target.max_drop * POINT:.2f} points below the fp32 model ({_share(reference)})",
            got=f"{drop * POINT:.2f} points below ({_share(got)}), {(drop - target.max_drop) * POINT:.2f} too many",
            advice="give more or more typical calibration samples, allow a larger max_drop, or leave the profile out",
        )
    if target.minimum is not None and got.value < target.minimum - ROUNDING:
        raise ContractNotMetError(
            profile=profile,
            rule="accuracy.minimum",
            expected=f"at least {target.minimum * POINT:.2f} %",
            got=f"{_share(got)}, {(target.minimum - got.value) * POINT:.2f} points too low",
            advice="train the model further, or lower accuracy.minimum in the contract",
        )


def check_latency(contract: Contract, profile: str, got: LatencyProof | None) -> None:
    """``latency.p99_ms``.

    Raises:
        ContractNotMetError: the measured p99 is larger.

    """
    if contract.latency is None or got is None:
        return
    p99_ms = got.p99_us / US_PER_MS
    if p99_ms > contract.latency.p99_ms:
        raise ContractNotMetError(
            profile=profile,
            rule="latency.p99_ms",
            expected=f"at most {contract.latency.p99_ms:g} ms",
            got=f"{p99_ms:.3f} ms over {got.runs} runs",
            advice="compile on an idle machine of this profile, allow a larger p99_ms, or leave the profile out",
        )


def _share(proof: AccuracyProof) -> str:
    counted = f", {proof.correct} of {proof.samples}" if proof.correct is not None else ""
    return f"{proof.value * POINT:.2f} %{counted}"
