"""Model cards of the ML-BOM: what a model is for, and how good each variant is.

Only figures that the same compile gives again: no latency and no memory, which the proofs have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge_bundle.contract import AccuracyTarget, Against, Contract, Metric
from edge_bundle.proof import AccuracyProof, AgreementProof, Execution, Interval, Proof

TASKS: Mapping[Metric, str] = {
    Metric.TOP1: "classification",
    Metric.TOP_K: "classification",
    Metric.AUC: "binary classification",
    Metric.MAE: "regression",
    Metric.COSINE: "embedding",
    Metric.EXACT_MATCH: "exact prediction",
    Metric.FUNCTION: "as the owner's metric says",
}
"""What a model does, as far as its metric tells (CycloneDX leaves the words free)."""

_LIMITATIONS: Mapping[Execution, str] = {
    Execution.EMULATOR: "figures are of the vendor's emulator; speed was not measured",
    Execution.SIMULATOR: "figures are of the vendor's simulator, which approximates the device",
    Execution.STAND_IN: "figures are of the file before the vendor's last tool; what that wrote was not run",
}


def model_parameters(contract: Contract, datasets: list[str]) -> dict[str, Any]:
    """``modelParameters`` of the source model; ``datasets`` are references to components."""
    return {
        "task": TASKS[contract.accuracy.metric],
        "datasets": [{"ref": ref} for ref in datasets],
        "inputs": [{"format": f"{r.name} {r.dtype.value} {list(r.shape)}"} for r in contract.inputs],
        "outputs": [{"format": f"{r.name} {r.dtype.value} {list(r.shape)}"} for r in contract.outputs],
    }


def reference_card(contract: Contract, datasets: list[str], reference: AccuracyProof) -> dict[str, Any]:
    """The card of the source model, run in fp32."""
    return {
        "modelParameters": model_parameters(contract, datasets),
        "quantitativeAnalysis": {"performanceMetrics": [_accuracy(contract.accuracy, reference)]},
    }


def variant_card(contract: Contract, proof: Proof) -> dict[str, Any]:
    """The card of one variant: accuracy with its interval, per slice, and how far it agrees with fp32."""
    target = contract.accuracy
    metrics = [
        _accuracy(target, proof.accuracy),
        *(_accuracy(target, part, name) for name, part in sorted(proof.slices.items())),
        *_agreement(proof.agreement),
    ]
    card: dict[str, Any] = {
        "modelParameters": {"task": TASKS[target.metric]},
        "quantitativeAnalysis": {"performanceMetrics": metrics},
    }
    limitation = _LIMITATIONS.get(proof.measured_on.execution)
    if limitation:
        card["considerations"] = {"technicalLimitations": [limitation]}
    return card


def metric_name(target: AccuracyTarget) -> str:
    """``top1``, ``top-5``, ``auc against the fp32 model``."""
    name = f"top-{target.k}" if target.metric is Metric.TOP_K and target.k else target.metric.value
    return f"{name} against the fp32 model" if target.against is Against.REFERENCE else name


def _accuracy(target: AccuracyTarget, proof: AccuracyProof, part: str = "") -> dict[str, Any]:
    metric: dict[str, Any] = {"type": metric_name(target), "value": repr(proof.value)}
    if part:
        metric["slice"] = part
    if proof.interval is not Interval.NONE:
        metric["confidenceInterval"] = {"lowerBound": repr(proof.low), "upperBound": repr(proof.high)}
    return metric


def _agreement(proof: AgreementProof) -> Iterator[dict[str, Any]]:
    figures = {
        "first answers equal to fp32": proof.top1,
        "cosine to fp32": proof.cosine,
        "SQNR to fp32 in dB": proof.sqnr_db,
        "largest difference from fp32": proof.max_abs_diff,
    }
    yield from ({"type": name, "value": repr(value)} for name, value in figures.items() if value is not None)
