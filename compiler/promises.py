"""Whether measured figures keep what the contract promises. Pure rules."""

from __future__ import annotations

from compiler.metrics.text import amount_text, counted_text, drop_of, value_text
from edge_bundle.contract import Contract
from edge_bundle.errors import ContractNotMetError
from edge_bundle.proof import AccuracyProof, LatencyProof

ROUNDING = 1e-12
"""Slack for the float arithmetic of comparing two fractions, far below one sample in any set."""

US_PER_MS = 1000.0


def check_accuracy(contract: Contract, profile: str, got: AccuracyProof, reference: AccuracyProof) -> None:
    """``accuracy.max_drop``, ``accuracy.minimum`` and ``accuracy.maximum``.

    Raises:
        ContractNotMetError: says by how much, in points for shares and areas, in the metric's own unit otherwise.

    """
    missed = missed_accuracy(contract, profile, got, reference)
    if missed is not None:
        raise missed


def check_reference(contract: Contract, profile: str, reference: AccuracyProof) -> None:
    """``accuracy.minimum`` and ``accuracy.maximum`` of the fp32 model: if it misses them, so does what is made of it.

    Raises:
        ContractNotMetError: says that it is the model itself.

    """
    missed = missed_accuracy(contract, profile, reference, reference)
    if missed is not None:
        raise ContractNotMetError(
            profile=profile,
            rule=missed.rule,
            expected=missed.expected,
            got=f"{missed.got}, from the fp32 model itself",
            advice=missed.advice,
        )


def missed_accuracy(
    contract: Contract, profile: str, got: AccuracyProof, reference: AccuracyProof
) -> ContractNotMetError | None:
    """The first rule of accuracy that is broken."""
    target, metric = contract.accuracy, contract.accuracy.metric
    drop = drop_of(got, reference)
    if drop > target.max_drop + ROUNDING:
        worse = "above" if metric.lower_is_better else "below"
        return ContractNotMetError(
            profile=profile,
            rule="accuracy.max_drop",
            expected=f"at most {amount_text(metric, target.max_drop)} {worse} the fp32 model "
            f"({counted_text(reference)})",
            got=f"{amount_text(metric, drop)} {worse} ({counted_text(got)}), "
            f"{amount_text(metric, drop - target.max_drop)} too much",
            advice="give more or more typical calibration samples, allow a larger max_drop, or leave the profile out",
        )
    low, high = target.minimum, target.maximum
    if low is not None and got.value < low - ROUNDING:
        return _missed(profile, "accuracy.minimum", f"at least {value_text(metric, low)}", got, low - got.value)
    if high is not None and got.value > high + ROUNDING:
        return _missed(profile, "accuracy.maximum", f"at most {value_text(metric, high)}", got, got.value - high)
    return None


def shortfall(contract: Contract, got: AccuracyProof, reference: AccuracyProof) -> float:
    """By how much ``check_accuracy`` would refuse, in the metric's unit: of the rule missed most; up to 0 if kept."""
    target = contract.accuracy
    missed = [drop_of(got, reference) - target.max_drop]
    if target.minimum is not None:
        missed.append(target.minimum - got.value)
    if target.maximum is not None:
        missed.append(got.value - target.maximum)
    worst = max(missed)
    return worst if worst > ROUNDING else min(worst, 0.0)


def _missed(profile: str, rule: str, expected: str, got: AccuracyProof, by: float) -> ContractNotMetError:
    too = "low" if rule.endswith("minimum") else "high"
    return ContractNotMetError(
        profile=profile,
        rule=rule,
        expected=expected,
        got=f"{counted_text(got)}, {amount_text(got.metric, by)} too {too}",
        advice=f"train the model further, or change {rule} in the contract",
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
