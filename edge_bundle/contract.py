"""The contract: what callers may rely on. Written by the model's owner, signed into the bundle, enforced by the agent.

These Structs are the single definition: they give parsing, strict errors with the path of the key, and JSON Schema.
Parsing of ``contract.toml`` is in ``contract_file.py``.
"""

from __future__ import annotations

import enum
from typing import Annotated, TypeAlias

import msgspec

from edge_bundle.tensor import DType, Shape, TensorName, TensorSpec

CONTRACT_SCHEMA = 1

Fraction: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
PositiveFloat: TypeAlias = Annotated[float, msgspec.Meta(gt=0.0)]
ModelName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$(?!\n)")]
VersionText: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})$(?!\n)")
]


class OnViolation(enum.StrEnum):
    """What the agent does with a value outside ``[minimum, maximum]`` (NaN is always a violation unless allowed)."""

    REJECT = "reject"
    CLIP = "clip"
    FLAG = "flag"


class TensorRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One tensor of the contract: its spec and the range its elements keep."""

    name: TensorName
    dtype: DType
    shape: Shape
    minimum: float | None = None
    maximum: float | None = None
    allow_nan: bool = False
    on_violation: OnViolation = OnViolation.REJECT

    @property
    def spec(self) -> TensorSpec:
        """The name, dtype and shape alone."""
        return TensorSpec(name=self.name, dtype=self.dtype, shape=self.shape)

    @property
    def has_range(self) -> bool:
        """Whether element values need to be looked at."""
        return self.minimum is not None or self.maximum is not None or (self.dtype.is_float and not self.allow_nan)


class Metric(enum.StrEnum):
    """How accuracy is measured on the evaluation set; what each needs is said in docs/contract.md.

    ``top1``, ``top-k`` and ``exact-match`` are shares of right answers; ``auc`` is the area under the ROC curve;
    ``mae`` the mean absolute error (lower is better); ``cosine`` the mean cosine similarity; ``function`` a Python
    function of the user's that the compiler calls and an agent never does.
    """

    TOP1 = "top1"
    TOP_K = "top-k"
    AUC = "auc"
    MAE = "mae"
    COSINE = "cosine"
    EXACT_MATCH = "exact-match"
    FUNCTION = "function"

    @property
    def is_share(self) -> bool:
        """Whether the value is a share of samples, each right or wrong."""
        return self in (Metric.TOP1, Metric.TOP_K, Metric.EXACT_MATCH)

    @property
    def of_values(self) -> bool:
        """Whether outputs are values that should be near others: their largest one means nothing."""
        return self in (Metric.MAE, Metric.COSINE)

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller value is the better one."""
        return self is Metric.MAE


class Against(enum.StrEnum):
    """What answers are held against: the evaluation set's ``labels``, or what the fp32 model answers."""

    LABELS = "labels"
    REFERENCE = "reference"


class AccuracyTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a variant must reach, in the metric's own unit (fractions of 1 for shares, AUC and cosine).

    ``minimum`` bounds the value from below (``maximum`` from above, for ``mae``), and ``max_drop`` how much worse than
    the fp32 model it may be. ``k`` belongs to ``top-k``, ``function`` (``FILE.py:NAME``, beside the contract) to
    ``function``.
    """

    metric: Metric = Metric.TOP1
    output: TensorName
    against: Against = Against.LABELS
    k: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    function: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]+\.py:[A-Za-z_][A-Za-z0-9_]*$(?!\n)")] | None = None
    minimum: float | None = None
    maximum: float | None = None
    max_drop: Annotated[float, msgspec.Meta(ge=0.0)] = 0.005


class LatencyTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Engine latency of a batch of one on the profile's own device, in milliseconds."""

    p99_ms: PositiveFloat


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds on one request."""

    max_batch: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 64
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 30)] = 16 << 20


class Reuse(enum.StrEnum):
    """Who may reuse a ``host-exact`` answer. ``portable-exact`` answers may be reused anywhere in any case."""

    NODE = "node"
    CDN = "cdn"


class CachePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The deterministic output cache. ``approximate`` variants are cached only if ``allow_approximate``."""

    enabled: bool = True
    ttl_s: PositiveFloat = 3600.0
    max_entries: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 10_000
    reuse: Reuse = Reuse.NODE
    allow_approximate: bool = False


class Privacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``sensitive`` inputs and outputs are never written to disk or telemetry."""

    sensitive: bool = False


class GoldenTolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far a device may differ from the golden outputs: ``|got - want| <= atol + rtol * |want|``."""

    atol: Annotated[float, msgspec.Meta(ge=0.0)] = 1e-3
    rtol: Annotated[float, msgspec.Meta(ge=0.0)] = 1e-3


class FallbackChain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a node serves where the variant of its own profile is missing or does not run there.

    ``profiles`` are tried in this order: variants of the same release, of which the first that proves itself serves.
    """

    profiles: Annotated[tuple[ModelName, ...], msgspec.Meta(max_length=8)] = ()


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole contract of one model version."""

    schema: Annotated[int, msgspec.Meta(ge=CONTRACT_SCHEMA, le=CONTRACT_SCHEMA)]
    name: ModelName
    version: VersionText
    owner: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    description: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    inputs: Annotated[tuple[TensorRule, ...], msgspec.Meta(min_length=1, max_length=64)]
    outputs: Annotated[tuple[TensorRule, ...], msgspec.Meta(min_length=1, max_length=64)]
    accuracy: AccuracyTarget
    latency: LatencyTarget | None = None
    limits: Limits = Limits()
    cache: CachePolicy = CachePolicy()
    privacy: Privacy = Privacy()
    golden: GoldenTolerance = GoldenTolerance()
    fallback: FallbackChain = FallbackChain()

    @property
    def scored(self) -> TensorRule:
        """The output that accuracy is about."""
        return next(rule for rule in self.outputs if rule.name == self.accuracy.output)
