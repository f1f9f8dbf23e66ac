"""Tables of what MLPerf scenarios found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skerry.output import facts, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from compiler.mlperf.result import BenchResult

US_PER_MS = 1000.0


def bench_tables(results: Sequence[BenchResult], left_out: Sequence[tuple[str, str]]) -> RenderableType:
    """The verdicts, the latencies, what lies behind them, and the variants that nothing here runs."""
    from rich.console import Group

    first = results[0]
    parts = [_verdicts(results), ""]
    if first.early_stopping is not None:  # offline has one query, whose latency is the run
        parts += [_latencies(results), ""]
    parts.append(_conditions(first))
    reasons = [(one.profile, reason) for one in results for reason in one.reasons]
    if reasons:
        parts += ["", table("not valid, since", ("profile", "reason"), reasons)]
    if left_out:
        parts += ["", table("left out", ("profile", "reason"), left_out)]
    return Group(*parts)


def _verdicts(results: Sequence[BenchResult]) -> RenderableType:
    first = results[0]
    title = f"{first.name} {first.version}, {first.scenario.value}"
    rows = [
        (
            one.profile, f"{one.machine.runtime} {one.precision.value}", f"{one.queries:,}", f"{one.samples:,}",
            f"{one.duration_s:.2f}", _metric(one), "valid" if one.valid else "INVALID",
        )
        for one in results
    ]  # fmt: skip
    return table(title, ("profile", "runs on", "queries#", "samples#", "s#", f"{first.metric}#", "result"), rows)


def _latencies(results: Sequence[BenchResult]) -> RenderableType:
    rows = [
        (one.profile, *(f"{value:,.1f}" for value in (
            one.latency.min_us, one.latency.mean_us, one.latency.p50_us, one.latency.p90_us, one.latency.p99_us,
            one.latency.p999_us, one.latency.max_us,
        )))
        for one in results
    ]  # fmt: skip
    columns = ("profile", "least#", "mean#", "p50#", "p90#", "p99#", "p99.9#", "most#")
    return table("latency of a query, us", columns, rows)


def _metric(one: BenchResult) -> str:
    return "-" if one.value is None else f"{one.value:,.1f}{' us' if one.unit == 'us' else ''}"


def _conditions(one: BenchResult) -> RenderableType:
    machine, settings = one.machine, one.settings
    length = "as in a submission" if settings.submission_length else "MLPerf asks 600 s of a submission"
    least = f"{settings.min_queries} queries" if one.early_stopping else f"{settings.min_samples} samples"
    values: dict[str, object] = {
        "machine": f"{machine.cpu}, {machine.cores} cores, {machine.arch}, {machine.os}",
        "samples": f"{settings.distinct_samples} of the {settings.samples.partition(' sha256:')[0]}",
        "length": f"at least {settings.min_duration_s:g} s and {least} ({length})",
        "caches": settings.caches,
        "signatures": "verified" if one.verified else "not looked at",
    }
    if one.server is not None:
        found = "found by search" if one.server.searched else "as given"
        values["bound"] = f"p99 within {one.server.bound_us / US_PER_MS:g} ms; the rate is {found}"
    return facts("", values)
