"""What became of one model on one profile."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path

import msgspec

from compiler.compile import VariantResult
from edge_bundle.errors import SkerryError

MAX_REASON_CHARS = 400
"""A reason is cut there."""


class Status(enum.StrEnum):
    """``refused``: by a named error, which is a fair answer. ``failed``: by anything else, which is a fault."""

    COMPILED = "compiled"
    REFUSED = "refused"
    FAILED = "failed"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ``build/targets.json``: what every row has, and the figures by name.

    ``value`` is the SQNR in dB against float (``unit`` "dB"; none where every bit is float's own); ``ok`` is false for
    faults alone. ``agreement`` is the share of equal first answers (none for one number, and for values), ``cosine``
    the mean cosine similarity; ``p50_us`` is missing where nothing here runs at the device's speed, and
    ``estimate_us`` is then what the vendor's compiler expects. ``placement_pct`` is the share of nodes on the device.
    """

    name: str
    value: float | None = None
    unit: str = "dB"
    target: float | None = None
    ok: bool = True
    model: str
    profile: str
    runtime: str
    precision: str
    status: Status
    reason: str = ""
    error: str = ""
    execution: str = ""
    sqnr_db: float | None = None
    agreement: float | None = None
    cosine: float | None = None
    p50_us: float | None = None
    estimate_us: float | None = None
    placement_pct: float | None = None
    kept_layers: int = 0
    artifact_bytes: int = 0


def compiled(model: str, result: VariantResult) -> Outcome:
    """The row of a variant."""
    proof = result.proof
    kept = proof.quantization.kept if proof.quantization else ()
    return Outcome(
        name=f"{model}/{proof.profile}",
        value=proof.agreement.sqnr_db,
        model=model,
        profile=proof.profile,
        runtime=result.manifest.runtime,
        precision=proof.precision.value,
        status=Status.COMPILED,
        execution=proof.measured_on.execution.value,
        sqnr_db=proof.agreement.sqnr_db,
        agreement=proof.agreement.top1,
        cosine=proof.agreement.cosine,
        p50_us=proof.latency.p50_us if proof.latency else None,
        estimate_us=proof.estimate.latency_us if proof.estimate else None,
        placement_pct=100.0 * proof.placement.share if proof.placement else None,
        kept_layers=len(kept),
        artifact_bytes=proof.artifact_bytes,
    )


def refused(model: str, profile: str, runtime: str, precision: str, error: SkerryError) -> Outcome:
    """The row of a profile that was refused by a named error."""
    return Outcome(
        name=f"{model}/{profile}",
        model=model,
        profile=profile,
        runtime=runtime,
        precision=precision,
        status=Status.REFUSED,
        reason=" ".join(str(error).split())[:MAX_REASON_CHARS],
        error=error.name,
    )


def failed(model: str, profile: str, runtime: str, precision: str, reason: str) -> Outcome:
    """The row of a profile whose compile crashed or took too long."""
    return Outcome(
        name=f"{model}/{profile}",
        ok=False,
        model=model,
        profile=profile,
        runtime=runtime,
        precision=precision,
        status=Status.FAILED,
        reason=reason[:MAX_REASON_CHARS],
    )


def write_outcomes(outcomes: Sequence[Outcome], path: Path) -> None:
    """As a JSON array, one row a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(msgspec.json.encode(one).decode() for one in outcomes)
    path.write_text(f"[\n{lines}\n]\n")
