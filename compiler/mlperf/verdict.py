"""From the times of a run to its figures, and whether they count."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler.mlperf.early_stopping import estimate, min_queries, over_allowed, queries_needed
from compiler.mlperf.loops import Timings
from compiler.mlperf.result import EarlyStopping, Latencies, ServerFigures
from compiler.mlperf.scenario import NS_PER_S, RULES, Scenario

NS_PER_US = 1000.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the run had to reach. ``samples`` are those of all queries together; ``min_samples`` is for offline."""

    scenario: Scenario
    min_queries: int
    min_duration_ns: int
    samples: int
    min_samples: int = 1
    target_qps: float = 0.0
    searched: bool = False
    bound_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The figures of a run; fields as in ``BenchResult``."""

    reasons: tuple[str, ...]
    metric: str
    unit: str
    value: float | None
    latency: Latencies
    early_stopping: EarlyStopping | None
    server: ServerFigures | None


def judge(asked: Asked, timings: Timings) -> Verdict:
    """Hold a run against the rules of its scenario."""
    ordered = sorted(timings.latencies_ns)
    stopping = _early_stopping(asked.scenario, ordered)
    server = _server(asked, ordered) if asked.scenario is Scenario.SERVER else None
    metric, unit, value = _metric(asked, timings, stopping)
    return Verdict(
        reasons=tuple(_reasons(asked, timings, stopping, server)),
        metric=metric,
        unit=unit,
        value=value,
        latency=latencies(ordered),
        early_stopping=stopping,
        server=server,
    )


def latencies(ordered: Sequence[int]) -> Latencies:
    """The summary of ascending latencies in nanoseconds."""

    def at(share: float) -> float:
        return ordered[int(len(ordered) * share)] / NS_PER_US

    return Latencies(
        min_us=ordered[0] / NS_PER_US,
        mean_us=statistics.fmean(ordered) / NS_PER_US,
        p50_us=at(0.50),
        p90_us=at(0.90),
        p95_us=at(0.95),
        p99_us=at(0.99),
        p999_us=at(0.999),
        max_us=ordered[-1] / NS_PER_US,
    )


def _early_stopping(scenario: Scenario, ordered: Sequence[int]) -> EarlyStopping | None:
    if scenario is Scenario.OFFLINE:
        return None
    percentile = RULES[scenario].percentile
    found = estimate(ordered, percentile)
    return EarlyStopping(
        percentile=percentile,
        needed=min_queries(percentile),
        estimate_us=found.value / NS_PER_US if found else None,
        discarded=found.discarded if found else 0,
    )


def _server(asked: Asked, ordered: Sequence[int]) -> ServerFigures:
    return ServerFigures(
        target_qps=asked.target_qps,
        searched=asked.searched,
        bound_us=asked.bound_ns / NS_PER_US,
        over=sum(latency > asked.bound_ns for latency in ordered),
        allowed=over_allowed(len(ordered), RULES[Scenario.SERVER].percentile),
    )


def _metric(asked: Asked, timings: Timings, stopping: EarlyStopping | None) -> tuple[str, str, float | None]:
    if asked.scenario is Scenario.OFFLINE:
        return "samples per second", "1/s", asked.samples * NS_PER_S / max(1, timings.duration_ns)
    if asked.scenario is Scenario.SERVER:
        return "queries per second", "1/s", asked.target_qps
    percentile = f"p{RULES[asked.scenario].percentile * 100:.0f}"
    return f"{percentile} latency", "us", stopping.estimate_us if stopping else None


def _reasons(
    asked: Asked, timings: Timings, stopping: EarlyStopping | None, server: ServerFigures | None
) -> Iterator[str]:
    """Why the run does not count; nothing if it does."""
    queries = len(timings.latencies_ns)
    if not timings.abandoned:
        yield from _too_short(asked, timings)
    if server is not None and server.over > server.allowed:
        needed = queries_needed(server.over, RULES[Scenario.SERVER].percentile)
        yield (
            f"{server.over} of {queries} queries took longer than {server.bound_us / 1000:g} ms at"
            f" {server.target_qps:.1f} queries per second; that many need at least {needed} queries"
        )
    elif stopping is not None and stopping.estimate_us is None:
        yield f"expected at least {stopping.needed} queries for p{stopping.percentile * 100:.0f}, got {queries}"


def _too_short(asked: Asked, timings: Timings) -> Iterator[str]:
    queries = len(timings.latencies_ns)
    if queries < asked.min_queries:
        yield f"expected at least {asked.min_queries} queries, got {queries}"
    if asked.samples < asked.min_samples:
        yield f"expected at least {asked.min_samples} samples, got {asked.samples}"
    lasted = timings.duration_ns if asked.scenario is Scenario.OFFLINE else timings.issued_ns
    if lasted < asked.min_duration_ns:
        yield f"expected at least {asked.min_duration_ns / NS_PER_S:g} s, took {lasted / NS_PER_S:.2f} s"
