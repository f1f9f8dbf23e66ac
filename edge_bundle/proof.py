"""Proofs: the measured, signed figures of a variant. They live in an attestation beside the bundle, never inside it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bundle.contract import Fraction, Metric
from edge_bundle.manifest import NumericClass, Precision

PROOF_SCHEMA = 1
PROOF_PREDICATE_TYPE = "https://skerry.dev/proof/v1"
PROVENANCE_PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


class AccuracyProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``correct`` of ``samples``; ``[low, high]`` is the 95 % Wilson score interval (Wilson 1927)."""

    metric: Metric
    correct: int
    samples: int
    value: Fraction
    low: Fraction
    high: Fraction


class AgreementProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Against the fp32 reference: share of equal top-1 answers, largest absolute difference of the scored output."""

    top1: Fraction
    max_abs_diff: float


class LatencyProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Engine time of a batch of one, in microseconds, over ``runs`` timed runs after a warm-up."""

    p50_us: float
    p90_us: float
    p99_us: float
    runs: int


class MeasuredOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the figures were measured."""

    arch: str
    cpu: str
    cores: int
    os: str
    runtime: str
    runtime_version: str
    threads: int


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything measured of one variant. ``variant_digest`` is the digest of its OCI image manifest."""

    schema: Annotated[int, msgspec.Meta(ge=PROOF_SCHEMA, le=PROOF_SCHEMA)] = PROOF_SCHEMA
    profile: str
    variant_digest: str
    precision: Precision
    numeric_class: NumericClass
    accuracy: AccuracyProof
    slices: dict[str, AccuracyProof] = {}
    agreement: AgreementProof
    latency: LatencyProof
    peak_rss_bytes: int
    artifact_bytes: int
    deterministic: bool
    evaluation_digest: str
    measured_on: MeasuredOn
    measured_at: str


class ProofSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The predicate of the proof attestation: one proof per variant of the bundle, sorted by profile."""

    proofs: tuple[Proof, ...]
