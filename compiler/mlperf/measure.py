"""The front door: a variant of a bundle, measured in one scenario."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from compiler.dataset import load_calibration
from compiler.measuring.runner import tensors
from compiler.mlperf.bench import Bench, Plan, Ran
from compiler.mlperf.clock import Clock, SystemClock
from compiler.mlperf.queries import Samples, is_batchable
from compiler.mlperf.result import BenchResult, Machine, Settings
from compiler.mlperf.scenario import NS_PER_S, RULES, SUBMISSION_DURATION_S, Scenario
from compiler.mlperf.subject import Subject
from compiler.progress import Progress
from edge_bundle.errors import InvalidInputError
from edge_bundle.proof import Execution
from edge_runtime.engine import Engine
from edge_runtime.factory import open_engine, source_of
from edge_runtime.trial import try_out
from hardware_profiles.detect import detect

NS_PER_MS = 1_000_000
DEFAULT_DURATION_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may set. Without ``evaluation_path`` the golden inputs are the samples.

    ``target_latency_ms`` (else the contract's ``latency.p99_ms``) and ``target_qps`` (else searched) are for server,
    ``samples_per_query`` for multi-stream. ``clock`` gives Unix seconds for the date.

    Raises ``InvalidInputError`` for a number that is none.
    """

    scenario: Scenario
    duration_s: float = DEFAULT_DURATION_S
    min_queries: int = 1
    samples_per_query: int = RULES[Scenario.MULTI_STREAM].samples_per_query
    evaluation_path: Path | None = None
    target_latency_ms: float | None = None
    target_qps: float | None = None
    seed: int = 0
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        numbers = {
            "duration": self.duration_s,
            "target-latency-ms": self.target_latency_ms,
            "target-qps": self.target_qps,
        }
        for name, value in numbers.items():
            if value is not None and not math.isfinite(value):
                raise InvalidInputError(file="bench", key=name, expected="a finite number", got=str(value))


def measure(subject: Subject, options: Options, progress: Progress, clock: Clock | None = None) -> BenchResult:
    """Open the variant's engine and run the scenario on it.

    Raises:
        InvalidInputError: server without a latency bound, or samples that do not fit the contract.
        CompileOnlyError, RuntimeMissingError, EngineError: nothing here runs the variant, or it crashes (another
            process goes first: nobody may have looked at the bundle's signatures).

    """
    plan = _plan(subject, options)
    samples = load_samples(subject, options.evaluation_path)
    source = source_of(subject.manifest, subject.files)
    try_out(source, samples.rows[0])
    with open_engine(source) as engine:
        ran = Bench(engine, samples, clock or SystemClock(), progress, subject.manifest.profile).run(plan)
        machine = _machine(subject, engine)
    return _result(subject, options, samples, ran, machine)


def not_the_device(subject: Subject) -> str:
    """Why no figure of a variant counts here, if so: the vendor's emulator says nothing of the device's speed."""
    on = subject.proof.measured_on if subject.proof else None
    if on is None or on.execution is Execution.DEVICE or on.arch != detect().arch:
        return ""
    return f"run by the {on.execution.value} of {subject.manifest.runtime}, not by the device: its times say nothing"


def load_samples(subject: Subject, evaluation_path: Path | None) -> Samples:
    """Those of the evaluation set, else the golden inputs."""
    batchable = is_batchable(subject.manifest.inputs)
    if evaluation_path is None:
        rows = [vector.inputs for vector in subject.goldens]
        return Samples(rows=rows, source="golden vectors", batchable=batchable)
    dataset = load_calibration(evaluation_path, subject.contract.inputs)  # labels play no part here
    drawn = [tensors(dataset, index) for index in range(dataset.samples)]
    return Samples(rows=drawn, source=f"evaluation set {dataset.digest}", batchable=batchable)


def _plan(subject: Subject, options: Options) -> Plan:
    bound_ms = options.target_latency_ms
    if bound_ms is None and subject.contract.latency is not None:
        bound_ms = subject.contract.latency.p99_ms
    if bound_ms is None and options.scenario is Scenario.SERVER:
        raise InvalidInputError(
            file="contract",
            key="latency.p99_ms",
            expected="a bound on the latency of a server's queries",
            got="none",
            advice="give one with --target-latency-ms",
        )
    return Plan(
        scenario=options.scenario,
        min_queries=options.min_queries,
        min_duration_ns=round(options.duration_s * NS_PER_S),
        samples_per_query=options.samples_per_query,
        max_batch=subject.contract.limits.max_batch,
        target_qps=options.target_qps,
        bound_ns=round((bound_ms or 0.0) * NS_PER_MS),
        seed=options.seed,
    )


def _machine(subject: Subject, engine: Engine) -> Machine:
    found = detect()
    return Machine(
        arch=found.arch,
        cpu=found.cpu,
        cores=found.cores,
        os=f"{found.os} {found.kernel}",
        runtime=subject.manifest.runtime,
        runtime_version=engine.runtime_version,
        threads=subject.manifest.threads,
    )


def _result(subject: Subject, options: Options, samples: Samples, ran: Ran, machine: Machine) -> BenchResult:
    manifest, asked, timings, verdict = subject.manifest, ran.asked, ran.timings, ran.verdict
    queries, seconds = len(timings.latencies_ns), max(1, timings.duration_ns) / NS_PER_S
    reasons = tuple(filter(None, (not_the_device(subject), *verdict.reasons)))
    return BenchResult(
        scenario=options.scenario,
        valid=not reasons,
        reasons=reasons,
        metric=verdict.metric,
        unit=verdict.unit,
        value=verdict.value,
        name=manifest.name,
        version=manifest.version,
        profile=manifest.profile,
        precision=manifest.precision,
        variant_digest=subject.variant_digest,
        verified=subject.verified,
        queries=queries,
        samples=asked.samples,
        duration_s=seconds,
        queries_per_s=queries / seconds,
        samples_per_s=asked.samples / seconds,
        latency=verdict.latency,
        early_stopping=verdict.early_stopping,
        server=verdict.server,
        settings=Settings(
            samples_per_query=asked.samples // queries,
            batch=ran.batch,
            min_queries=asked.min_queries,
            min_samples=asked.min_samples,
            min_duration_s=options.duration_s,
            submission_length=options.duration_s >= SUBMISSION_DURATION_S,
            seed=options.seed,
            samples=samples.source,
            distinct_samples=len(samples.rows),
        ),
        machine=machine,
        measured_at=datetime.fromtimestamp(options.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
