"""What a run found. Times in microseconds, rates per second."""

from __future__ import annotations

import msgspec

from compiler.mlperf.scenario import Scenario
from edge_bundle.manifest import Precision

SCHEMA = 1


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """Of the queries. A percentile is the value at index ``floor(n p)`` of the sorted ones, as LoadGen reports it."""

    min_us: float
    mean_us: float
    p50_us: float
    p90_us: float
    p95_us: float
    p99_us: float
    p999_us: float
    max_us: float


class EarlyStopping(msgspec.Struct, frozen=True, kw_only=True):
    """The bound on the ``percentile`` that holds with 99 % confidence; ``None`` for fewer queries than ``needed``.

    ``discarded`` is how many greater latencies were left out for it.
    """

    percentile: float
    needed: int
    estimate_us: float | None
    discarded: int


class ServerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """``over`` queries took longer than ``bound_us``; ``allowed`` may (-1: too few queries to tell)."""

    target_qps: float
    searched: bool
    bound_us: float
    over: int
    allowed: int


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. ``submission_length``: as long as MLPerf asks of a submission.

    ``min_samples`` are those of the one query of offline.
    """

    samples_per_query: int
    batch: int
    min_queries: int
    min_samples: int
    min_duration_s: float
    submission_length: bool
    seed: int
    samples: str
    distinct_samples: int
    caches: str = "off: queries go to the engine itself"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured, and with what."""

    arch: str
    cpu: str
    cores: int
    os: str
    runtime: str
    runtime_version: str
    threads: int


class BenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario on one variant. ``reasons`` say why it is not ``valid``.

    ``metric`` is the figure that MLPerf ranks by: ``p90 latency`` and ``p99 latency`` in ``us`` (the early stopping
    estimates), ``queries per second`` for server, ``samples per second`` for offline; ``value`` is ``None`` where the
    run gives none.
    """

    schema: int = SCHEMA
    scenario: Scenario
    valid: bool
    reasons: tuple[str, ...]
    metric: str
    unit: str
    value: float | None
    name: str
    version: str
    profile: str
    precision: Precision
    variant_digest: str
    verified: bool
    queries: int
    samples: int
    duration_s: float
    queries_per_s: float
    samples_per_s: float
    latency: Latencies
    early_stopping: EarlyStopping | None
    server: ServerFigures | None
    settings: Settings
    machine: Machine
    measured_at: str
