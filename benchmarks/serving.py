"""Benchmark: the agent over HTTP against the bare engine loop and a bare aiohttp application, in processor time.

Misses and cache hits; the three take turns in one run.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.child import Child
from benchmarks.engine_loop import EngineLoop
from benchmarks.rounds import Ratio, Sample, median, ratio, run_rounds
from benchmarks.rows import Row, figure, skipped
from benchmarks.server_load import LoadKind, ServerLoad, agent_server, echo_server
from benchmarks.subjects import Subject, autoencoder, digits

SEED = 20261122
SUBJECTS_IN_ROUND = 3
"""Engine loop, aiohttp application, agent."""

ALWAYS = (1, 8)
WIDE = 64
"""Connections of a load."""

TARGETS_US = {"autoencoder.miss.c64": 14.0, "autoencoder.hit.c8": 10.0}
"""Processor time of the server per request, microseconds (docs/architecture.md, "Numbers")."""

HIT_VS_AIOHTTP = 1.5
MISS_VS_AIOHTTP = 2.0
"""Processor time per request, the engine's own left out, against the bare aiohttp application: at most this often."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how often: ``rounds`` rounds of segments of ``seconds`` for each kind of load."""

    models: Path
    rounds: int = 5
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
        return sum(SUBJECTS_IN_ROUND * (self.rounds + 1) for subject in self.subjects() for _ in self.kinds(subject))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One kind of load on one subject: medians, and ratios of the agent's processor time with their intervals.

    ``own_vs_aiohttp`` leaves the engine's own time out. ``hit_share``: requests answered from the agent's cache.
    """

    name: str
    repeat: bool
    engine: Sample
    aiohttp: Sample
    agent: Sample
    vs_engine: Ratio
    vs_aiohttp: Ratio
    own_vs_aiohttp: Ratio
    hit_share: float

    @property
    def cpu(self) -> Row:
        """Processor time of a request."""
        return figure(f"serving.{self.name}.cpu", self.agent.cpu_us, "us/request", TARGETS_US.get(self.name))

    @property
    def own(self) -> Row:
        """How often a bare aiohttp application's processor time the agent itself takes."""
        target = HIT_VS_AIOHTTP if self.repeat else MISS_VS_AIOHTTP
        return figure(f"serving.{self.name}.own_vs_aiohttp", self.own_vs_aiohttp.value, "ratio", target)

    def rows(self) -> Iterator[Row]:
        """Every figure. ``ratio`` is server processor time to engine loop, with its 95 % bootstrap interval."""
        name = f"serving.{self.name}"
        yield self.cpu
        yield figure(f"{name}.wall", self.agent.wall_us, "us/request")
        yield figure(f"{name}.engine", self.engine.cpu_us, "us/run")
        yield figure(f"{name}.aiohttp", self.aiohttp.cpu_us, "us/request")
        yield from _ratio_rows(f"{name}.ratio", self.vs_engine)
        yield from _ratio_rows(f"{name}.cpu_vs_aiohttp", self.vs_aiohttp)
        yield self.own
        yield figure(f"{name}.hit_share", self.hit_share, "share")


def _ratio_rows(name: str, found: Ratio) -> Iterator[Row]:
    yield figure(name, found.value, "ratio")
    yield figure(f"{name}_low", found.low, "ratio")
    yield figure(f"{name}_high", found.high, "ratio")


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
    title = "Medians, CPU us a request; own: (agent - engine) / aiohttp"
    table = Table(title=title, box=None, pad_edge=False)
    table.add_column("load", no_wrap=True)
    for heading in ("agent", "goal", "aiohttp", "engine", "own", "goal", "hits"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in measured:
        table.add_row(
            one.name,
            f"{one.agent.cpu_us:.1f}",
            _goal(one.cpu),
            f"{one.aiohttp.cpu_us:.1f}",
            f"{one.engine.cpu_us:.1f}",
            f"{one.own_vs_aiohttp.value:.2f}",
            _goal(one.own),
            f"{one.hit_share:.0%}",
        )
    return table


def _goal(row: Row) -> str:
    return "" if row.target is None else f"{row.target:g} {'met' if row.ok else 'over'}"


def _measure(subject: Subject, plan: Plan, rng: random.Random, advance: Callable[[], None]) -> Iterator[Measured]:
    with (
        agent_server(subject, plan.models) as agent,
        echo_server(subject) as echo,
        Child("benchmarks.load") as client,
        subject.open() as engine,
    ):
        for kind in plan.kinds(subject):
            loop = EngineLoop(subject, engine, plan.seconds)
            bare = ServerLoad(subject, echo, client, kind)
            load = ServerLoad(subject, agent, client, kind)
            taken = run_rounds((loop.segment, bare.segment, load.segment), rounds=plan.rounds, advance=advance)
            yield _measured(f"{subject.name}.{kind.name}", kind, taken, load.hits / load.requests, rng)


def _measured(
    name: str, kind: LoadKind, taken: Sequence[Sequence[Sample]], hit_share: float, rng: random.Random
) -> Measured:
    engine, aiohttp, agent = ([sample.cpu_us for sample in samples] for samples in taken)
    own = agent if kind.repeat else [whole - run for whole, run in zip(agent, engine, strict=True)]
    return Measured(
        name=name,
        repeat=kind.repeat,
        engine=median(taken[0]),
        aiohttp=median(taken[1]),
        agent=median(taken[2]),
        vs_engine=ratio(engine, agent, rng),
        vs_aiohttp=ratio(aiohttp, agent, rng),
        own_vs_aiohttp=ratio(aiohttp, own, rng),
        hit_share=hit_share,
    )
