"""Benchmark: the agent over HTTP against the bare engine loop, misses and cache hits, processor time per request."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.agent_load import AgentLoad, AgentServer, LoadKind
from benchmarks.child import Child
from benchmarks.engine_loop import EngineLoop
from benchmarks.pairs import PairResult, run_pairs
from benchmarks.rows import Row, figure, skipped
from benchmarks.subjects import Subject, autoencoder, digits

SEED = 20261122

ALWAYS = (1, 8)
WIDE = 64
"""Connections of a load."""

TARGETS_US = {"autoencoder.miss.c64": 14.0, "autoencoder.hit.c8": 10.0}
"""Processor time of the server per request, microseconds (docs/architecture.md, "Numbers")."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how often: ``pairs`` pairs of segments of ``seconds`` for each kind of load."""

    models: Path
    pairs: int = 5
    seconds: float = 0.4

    def kinds(self, subject: Subject) -> Iterator[LoadKind]:
        """The loads of one subject; the wide one only where a target names it."""
        for repeat, concurrency in itertools.product((False, True), (*ALWAYS, WIDE)):
            kind = LoadKind(concurrency, repeat, self.seconds)
            if concurrency in ALWAYS or f"{subject.name}.{kind.name}" in TARGETS_US:
                yield kind

    def subjects(self) -> tuple[Subject, ...]:
        """The models that are there."""
        return tuple(subject for subject in (digits(), autoencoder(self.models)) if subject is not None)

    def segments(self) -> int:
        """Segments of the whole benchmark, warm-up included, for the progress bar."""
        return sum(2 * (self.pairs + 1) for subject in self.subjects() for _ in self.kinds(subject))


@dataclass(frozen=True)
class Measured:
    """One kind of load on one subject. ``hit_share`` is the share of requests answered from the agent's cache."""

    name: str
    result: PairResult
    hit_share: float

    @property
    def cpu(self) -> Row:
        """The figure that has a target."""
        return figure(f"serving.{self.name}.cpu", self.result.b.cpu_us, "us/request", TARGETS_US.get(self.name))

    def rows(self) -> Iterator[Row]:
        """Every figure. ``ratio`` is server processor time to engine loop, with its 95 % bootstrap interval."""
        name, result = f"serving.{self.name}", self.result
        yield self.cpu
        yield figure(f"{name}.wall", result.b.wall_us, "us/request")
        yield figure(f"{name}.engine", result.a.cpu_us, "us/run")
        yield figure(f"{name}.ratio", result.cpu_ratio.value, "ratio")
        yield figure(f"{name}.ratio_low", result.cpu_ratio.low, "ratio")
        yield figure(f"{name}.ratio_high", result.cpu_ratio.high, "ratio")
        yield figure(f"{name}.hit_share", self.hit_share, "share")


def run_serving(plan: Plan, advance: Callable[[], None]) -> list[Measured]:
    """Measure every load on every subject that is there; ``advance`` is called after each segment."""
    rng = random.Random(SEED)
    return [measured for subject in plan.subjects() for measured in _measure(subject, plan, rng, advance)]


def skipped_rows(plan: Plan) -> list[Row]:
    """A row for each subject that is not there."""
    if autoencoder(plan.models) is not None:
        return []
    return [skipped("serving.autoencoder", f"no model under {plan.models}")]


def serving_table(measured: Sequence[Measured]) -> Table:
    """The figures for people, a line for each load."""
    title = "Agent over HTTP against the bare engine loop: medians, us a request"
    table = Table(title=title, box=None, pad_edge=False)
    table.add_column("load", no_wrap=True)
    for heading in ("CPU", "goal", "wall", "engine", "CPU/engine", "hits"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in measured:
        a, b, ratio = one.result.a, one.result.b, one.result.cpu_ratio
        goal = "" if one.cpu.target is None else f"{one.cpu.target:g} {'met' if one.cpu.ok else 'missed'}"
        ratios = f"{ratio.value:.1f} ({ratio.low:.1f}-{ratio.high:.1f})"
        figures = (f"{b.cpu_us:.1f}", goal, f"{b.wall_us:.1f}", f"{a.cpu_us:.1f}", ratios, f"{one.hit_share:.0%}")
        table.add_row(one.name, *figures)
    return table


def _measure(subject: Subject, plan: Plan, rng: random.Random, advance: Callable[[], None]) -> Iterator[Measured]:
    with (
        AgentServer(subject, plan.models) as server,
        Child("benchmarks.load") as client,
        subject.open() as engine,
    ):
        for kind in plan.kinds(subject):
            loop = EngineLoop(subject, engine, plan.seconds)
            load = AgentLoad(subject, server, client, kind)
            result = run_pairs(loop.segment, load.segment, pairs=plan.pairs, rng=rng, advance=advance)
            yield Measured(f"{subject.name}.{kind.name}", result, load.hits / load.requests)
