"""Proofs: the measured, signed figures of a variant. They live in an attestation beside the bundle, never inside it."""

from __future__ import annotations

import enum
from typing import Annotated, TypeAlias

import msgspec

from edge_bundle.contract import Fraction, Metric
from edge_bundle.manifest import NumericClass, Precision

PROOF_SCHEMA = 1
PROOF_PREDICATE_TYPE = "https://skerry.dev/proof/v1"
PROVENANCE_PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

MAX_LISTED = 1000
"""Most nodes or layers that one proof lists by name."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Amount: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0)]
"""A time or a size; JSON has no NaN and no infinity."""


class Execution(enum.StrEnum):
    """What ran when a variant was proven.

    ``device``: the runtime and kind of device that will serve it. ``emulator``: the vendor's emulator, which computes
    what the device computes and says nothing of its speed. ``simulator``: the vendor's approximation of both.
    ``stand-in``: the file before the last tool; nothing here can run what that tool wrote.
    """

    DEVICE = "device"
    EMULATOR = "emulator"
    SIMULATOR = "simulator"
    STAND_IN = "stand-in"


class Interval(enum.StrEnum):
    """How a 95 % interval was found: Wilson's score interval of a share, the percentile bootstrap, or not at all."""

    WILSON = "wilson"
    BOOTSTRAP = "bootstrap"
    NONE = "none"


class AccuracyProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``value`` of ``metric`` over ``samples``; ``[low, high]`` is its 95 % interval.

    ``correct`` counts the samples that were right, where the metric is a share; ``Interval.NONE`` repeats ``value`` as
    both bounds (a user's function gives one number).
    """

    metric: Metric
    correct: Count | None = None
    samples: Count
    value: float
    low: float
    high: float
    interval: Interval = Interval.WILSON


class PairedProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The variant against the fp32 model, sample by sample.

    ``drop`` is how much worse the variant is (negative: better), ``[low, high]`` its 95 % interval; ``worse`` and
    ``better`` count samples. ``p_value`` is two-sided, by ``test``: ``mcnemar`` for shares of right samples,
    ``permutation`` (of signs) for means over samples, ``delong`` for areas under a curve.
    """

    drop: float
    low: float
    high: float
    worse: Count
    better: Count
    p_value: Fraction
    test: str


class AgreementProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The scored output against the fp32 reference.

    ``top1`` is the share of equal first answers (``None`` for one number, and where the metric is of values);
    ``sqnr_db`` is 10 log10(signal power / error power) over all samples, ``None`` where not one bit differs.
    """

    top1: Fraction | None
    cosine: float
    sqnr_db: float | None
    mean_abs_diff: Amount
    max_abs_diff: Amount


class LatencyProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Engine time of a batch of one, in microseconds, over ``runs`` timed runs after a warm-up."""

    p50_us: Amount
    p90_us: Amount
    p99_us: Amount
    runs: Count


class EstimateProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a vendor's compiler expects of the device. Never measured.

    ``sram_bytes`` and ``dram_bytes`` are what lies there at once; ``flash_bytes`` is what is stored in flash.
    """

    tool: str
    latency_us: Amount
    cycles: Count
    sram_bytes: Count
    flash_bytes: Count
    dram_bytes: Count = 0


class PlacementProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the nodes of a variant run: ``on_device`` of ``nodes`` on ``device``, those of ``elsewhere`` on the CPU.

    ``device`` names the kind of device, alike for its emulator: an agent asks for the same.
    ``elsewhere`` has one text per node, ``OPERATOR NAME``, at most ``MAX_LISTED``.
    """

    device: str
    nodes: Count
    on_device: Count
    elsewhere: Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()

    def __post_init__(self) -> None:
        if self.on_device + len(self.elsewhere) > self.nodes:
            listed = f"{self.on_device} on the device and {len(self.elsewhere)} elsewhere"
            raise ValueError(f"expected at most {self.nodes} nodes in all, got {listed}")

    @property
    def share(self) -> float:
        """``on_device`` as a fraction of all nodes."""
        return self.on_device / self.nodes if self.nodes else 0.0


class DeterminismProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was tried to find a bit that changes, and what was found.

    ``samples`` inputs, each run ``repeats`` times by one engine, by ``engines`` engines and in ``processes`` processes
    (``repeatable``); with each thread count of ``threads`` (``threads_agree``); and at each of ``batch_positions``
    places of a batch (``batches_agree``). ``None``: not tried, since the variant takes one thread or one row only.
    """

    samples: Count
    repeats: Count
    engines: Count
    processes: Count
    repeatable: bool
    threads: tuple[Count, ...] = ()
    threads_agree: bool | None = None
    batch_positions: Count = 0
    batches_agree: bool | None = None


class KeptLayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A layer that went back to a higher precision, or never left it, and why."""

    layer: str
    operator: str
    precision: str
    reason: str


class QuantizationProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the graph behind the variant was quantized: ``quantized`` layers, and those that were ``kept``."""

    scheme: str
    quantized: Count
    kept: Annotated[tuple[KeptLayer, ...], msgspec.Meta(max_length=MAX_LISTED)] = ()
    calibration_digest: str
    calibration_samples: Count


class MeasuredOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the figures were measured, and by what kind of execution.

    ``cpu_flags_digest`` tells machines apart whose CPUs share a name: SHA-256 over the sorted flags, in hex.
    """

    arch: str
    cpu: str
    cpu_flags_digest: str = ""
    cores: Count
    os: str
    runtime: str
    runtime_version: str
    threads: Count
    execution: Execution = Execution.DEVICE


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything measured of one variant. ``variant_digest`` is the digest of its OCI image manifest.

    ``latency`` is missing where nothing here runs at the device's speed; ``estimate`` then says what the vendor's tool
    expects. ``placement`` is missing where there is nothing but the CPU. ``peak_rss_bytes`` is of a fresh process that
    loads and runs the variant.
    """

    schema: Annotated[int, msgspec.Meta(ge=PROOF_SCHEMA, le=PROOF_SCHEMA)] = PROOF_SCHEMA
    profile: str
    variant_digest: str
    precision: Precision
    numeric_class: NumericClass
    accuracy: AccuracyProof
    slices: dict[str, AccuracyProof] = {}
    agreement: AgreementProof
    paired: PairedProof | None = None
    latency: LatencyProof | None = None
    estimate: EstimateProof | None = None
    placement: PlacementProof | None = None
    quantization: QuantizationProof | None = None
    determinism: DeterminismProof
    peak_rss_bytes: Count
    artifact_bytes: Count
    evaluation_digest: str
    measured_on: MeasuredOn
    measured_at: str

    @property
    def deterministic(self) -> bool:
        """Whether no bit changed between repeats, engines and processes."""
        return self.determinism.repeatable


class ProofSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The predicate of the proof attestation: one proof per variant of the bundle, sorted by profile."""

    proofs: tuple[Proof, ...]
