"""``skerry bench``: the scenarios of MLPerf Inference on the variants of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.exit_codes import ExitCode
from skerry.options import FILE, trust_policy
from skerry.output import emit
from skerry.progress import progress_bars
from skerry.verb import json_option, verbose_option
from skerry.whole_file import write_whole

if TYPE_CHECKING:
    from compiler.mlperf.measure import Options
    from compiler.mlperf.result import BenchResult
    from compiler.mlperf.subject import Subject

SCENARIOS = ("single-stream", "multi-stream", "server", "offline")


@click.command()
@click.argument("bundle", type=FILE)
@click.option("--scenario", type=click.Choice(SCENARIOS), required=True, help="How queries arrive.")
@click.option(
    "--profile",
    "names",
    multiple=True,
    show_default="every variant that its device runs here",
    help="Only this variant; repeat.",
)
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(0.0, 86400.0),
    default=10.0,
    show_default=True,
    help="Seconds that a run takes at least; MLPerf asks 600 of a submission.",
)
@click.option(
    "--min-queries",
    type=click.IntRange(1, 10_000_000),
    show_default="64 for p90, 662 for p99",
    help="Queries that a run has at least (samples, for offline); never fewer than early stopping needs.",
)
@click.option(
    "--evaluation", type=FILE, show_default="the golden inputs of the bundle", help="Data set to take samples from."
)
@click.option(
    "--samples-per-query", type=click.IntRange(1, 4096), default=8, show_default=True, help="For multi-stream."
)
@click.option(
    "--target-latency-ms",
    type=click.FloatRange(0.0, min_open=True),
    show_default="latency.p99_ms of the contract",
    help="For server: what 99 % of the queries keep.",
)
@click.option(
    "--target-qps",
    type=click.FloatRange(0.0, min_open=True),
    show_default="the highest that holds",
    help="For server: queries per second.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws arrivals and the order of samples.")
@click.option("--out", type=FILE, help="Write the results as JSON.")
@click.option(
    "--owner-key",
    "owner_keys",
    multiple=True,
    type=FILE,
    help="Public key (.pub) of an owner whose signature counts; repeat.",
)
@click.option(
    "--threshold",
    type=click.IntRange(min=1),
    show_default="all owner keys",
    help="How many of the owner keys must have signed.",
)
@click.option("--unverified", is_flag=True, help="Measure a bundle of your own without a look at its signatures.")
@json_option
@verbose_option
@click.pass_context
def bench(
    context: click.Context, bundle: Path, *, scenario: str, names: tuple[str, ...], duration_s: float,
    min_queries: int | None, evaluation: Path | None, samples_per_query: int, target_latency_ms: float | None,
    target_qps: float | None, seed: int, out: Path | None, owner_keys: tuple[Path, ...], threshold: int | None,
    unverified: bool, as_json: bool,
) -> None:  # fmt: skip
    """Measure the variants of BUNDLE in a scenario of MLPerf.

    single-stream: one query after the other, ranked by p90 latency. multi-stream: the same with several samples a
    query, by p99 latency. server: queries at random times (Poisson), by the highest rate with p99 latency within a
    bound. offline: all samples at once, by samples per second.

    Queries go to the engine itself, past every cache. A percentile is MLPerf's early stopping estimate: a bound that
    holds with 99 % confidence. Exit code 1 if a result is not valid, or a variant that was named cannot be run here.
    """
    from compiler.mlperf.measure import Options
    from compiler.mlperf.scenario import Scenario

    if unverified == bool(owner_keys):
        raise click.UsageError("expected --owner-key (whose signatures count) or --unverified, and not both")
    options = Options(
        scenario=Scenario(scenario),
        duration_s=duration_s,
        min_queries=min_queries or 1,
        samples_per_query=samples_per_query,
        evaluation_path=evaluation,
        target_latency_ms=target_latency_ms,
        target_qps=target_qps,
        seed=seed,
    )
    subjects = _subjects(bundle, owner_keys, threshold, names)
    results, left_out = _measure(subjects, options, quiet=as_json, named=bool(names))
    _show(results, left_out, out, as_json=as_json)
    if not all(result.valid for result in results) or (names and left_out):
        context.exit(ExitCode.CHECK_FAILED)


def _subjects(
    bundle: Path, owner_keys: tuple[Path, ...], threshold: int | None, names: tuple[str, ...]
) -> tuple[Subject, ...]:
    from compiler.mlperf.subject import claimed_subjects, verified_subjects

    wanted = tuple(dict.fromkeys(names)) or (None,)
    if owner_keys:
        policy = trust_policy(owner_keys, threshold)
        found = (verified_subjects(bundle, policy, name) for name in wanted)
    else:
        found = (claimed_subjects(bundle, name) for name in wanted)
    return tuple(subject for subjects in found for subject in subjects)


def _measure(
    subjects: tuple[Subject, ...], options: Options, *, quiet: bool, named: bool
) -> tuple[list[BenchResult], list[tuple[str, str]]]:
    """The results, and which variants nothing here runs at its device's speed; the error itself if that leaves none."""
    from compiler.mlperf.measure import measure, not_the_device
    from edge_bundle.errors import EngineError, NotFoundError

    results: list[BenchResult] = []
    left_out: list[tuple[str, str]] = []
    with progress_bars(quiet=quiet) as bars:
        for subject in subjects:
            try:
                emulated = "" if named or len(subjects) == 1 else not_the_device(subject)
                if emulated:
                    left_out.append((subject.manifest.profile, emulated))
                else:
                    results.append(measure(subject, options, bars))
            except EngineError as missing:
                if len(subjects) == 1:
                    raise
                left_out.append((subject.manifest.profile, str(missing)))
    if not results:
        raise NotFoundError(what="variant", name="that a device here runs", advice="name one with --profile")
    return results, left_out


def _show(results: list[BenchResult], left_out: list[tuple[str, str]], out: Path | None, *, as_json: bool) -> None:
    import msgspec

    from skerry.bench_tables import bench_tables

    value = {"results": results, "left_out": dict(left_out)}
    if out is not None:
        write_whole(out, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    emit(value, as_json=as_json, render=lambda: bench_tables(results, left_out))
