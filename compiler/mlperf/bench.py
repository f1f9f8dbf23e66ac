"""Run one scenario on one variant."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from compiler.mlperf.arrivals import picks, poisson
from compiler.mlperf.clock import Clock
from compiler.mlperf.early_stopping import over_allowed
from compiler.mlperf.loops import Ask, Tick, Timings, closed_loop, one_query, open_loop
from compiler.mlperf.queries import Samples, prepare
from compiler.mlperf.scenario import NS_PER_S, OFFLINE_MIN_SAMPLES, RULES, Scenario
from compiler.mlperf.server_search import BACK_OFF, MAX_BACK_OFFS, PROBES, highest_rate, is_steady
from compiler.mlperf.verdict import Asked, Verdict, judge
from compiler.progress import Progress
from edge_runtime.engine import Engine

WARM_UP_RUNS = 20
"""Queries before the clock counts: lazy allocations and caches settle within the first few."""

TUNE_NS = NS_PER_S // 10
"""How long each batch size is tried before an offline run."""

PROBE_NS = NS_PER_S
"""Shortest probe of the search for a rate; the fewest queries are the scenario's."""

MARGIN = 1.1
"""An offline run gets so many times the samples that its duration should take, as in LoadGen."""

OFFLINE_TRIES = 3
"""Runs before one that is too short stands: the rate that its length rests on may have been taken at a bad moment."""

TICKS = 100
"""Steps of a progress bar."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run. ``min_queries`` below the rules' own are raised to them; ``max_batch`` bounds rows in one run.

    ``target_qps`` of ``None`` searches for the highest rate that keeps ``bound_ns``, which only server looks at.
    """

    scenario: Scenario
    min_queries: int = 1
    min_duration_ns: int
    samples_per_query: int = RULES[Scenario.MULTI_STREAM].samples_per_query
    max_batch: int = 1
    target_qps: float | None = None
    bound_ns: int = 0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A finished run: its times, what was asked of it, the verdict, and how many rows each run of the engine took."""

    asked: Asked
    timings: Timings
    verdict: Verdict
    batch: int


class Bench:
    """One engine with its samples, ready for one scenario after the other; ``name`` tells its progress apart."""

    def __init__(self, engine: Engine, samples: Samples, clock: Clock, progress: Progress, name: str = "") -> None:
        self._name = name
        self._engine, self._samples, self._clock, self._progress = engine, samples, clock, progress

    def run(self, plan: Plan) -> Ran:
        """Run the plan's scenario. Raises what the engine raises."""
        queries = max(plan.min_queries, RULES[plan.scenario].min_queries)
        plan = replace(plan, min_queries=queries)
        if plan.scenario is Scenario.OFFLINE:
            return self._offline(plan)
        if plan.scenario is Scenario.SERVER:
            return self._server(plan)
        size = plan.samples_per_query if plan.scenario is Scenario.MULTI_STREAM else 1
        ask, batch = self._ask(size, plan.max_batch, plan.seed)
        self._warm_up(ask)
        timings = self._closed(plan.scenario.value, ask, queries, plan.min_duration_ns)
        asked = Asked(
            scenario=plan.scenario,
            min_queries=queries,
            min_duration_ns=plan.min_duration_ns,
            samples=len(timings.latencies_ns) * size,
        )
        return Ran(asked=asked, timings=timings, verdict=judge(asked, timings), batch=batch)

    def _offline(self, plan: Plan) -> Ran:
        """As many samples as the duration takes by the rate so far; again if they were answered sooner."""
        batch, rate = self._best_batch(plan)
        least = max(plan.min_queries, min(OFFLINE_MIN_SAMPLES, len(self._samples.rows)))
        ask, _ = self._ask(batch, plan.max_batch, plan.seed)
        for _ in range(OFFLINE_TRIES):
            wanted = max(least, math.ceil(rate * MARGIN * plan.min_duration_ns / NS_PER_S))
            ran = self._all_at_once(plan, ask, batch, math.ceil(wanted / batch), least)
            if ran.timings.duration_ns >= plan.min_duration_ns:
                break
            rate = ran.asked.samples * NS_PER_S / max(1, ran.timings.duration_ns)
        return ran

    def _all_at_once(self, plan: Plan, ask: Ask, batch: int, batches: int, least: int) -> Ran:
        timings = self._watched(
            "offline", plan.min_duration_ns, lambda tick: one_query(ask, self._clock, batches=batches, tick=tick)
        )
        asked = Asked(
            scenario=plan.scenario,
            min_queries=1,
            min_duration_ns=plan.min_duration_ns,
            samples=batches * batch,
            min_samples=least,
        )
        return Ran(asked=asked, timings=timings, verdict=judge(asked, timings), batch=batch)

    def _best_batch(self, plan: Plan) -> tuple[int, float]:
        """The batch size with the most samples per second, and how many: which one is the device's own choice."""
        sizes = [1]
        while self._samples.batchable and sizes[-1] * 2 <= plan.max_batch:
            sizes.append(sizes[-1] * 2)
        found = []
        for size in sizes:
            ask, _ = self._ask(size, plan.max_batch, plan.seed)
            ask(0)
            tried = closed_loop(ask, self._clock, queries=1, duration_ns=TUNE_NS, tick=lambda _: None)
            found.append((len(tried.latencies_ns) * size * NS_PER_S / max(1, tried.duration_ns), size))
        rate, size = max(found)
        return size, rate

    def _server(self, plan: Plan) -> Ran:
        ask, _ = self._ask(1, 1, plan.seed)
        self._warm_up(ask)
        if plan.target_qps is not None:
            return self._at_rate(plan, ask, plan.target_qps, "server")
        trial = closed_loop(ask, self._clock, queries=plan.min_queries, duration_ns=PROBE_NS, tick=lambda _: None)
        capacity = len(trial.latencies_ns) * NS_PER_S / max(1, trial.duration_ns)
        probe = replace(plan, min_duration_ns=min(PROBE_NS, plan.min_duration_ns))
        numbers = iter(range(1, PROBES + 1))

        def holds(rate: float) -> bool:
            return _kept_up(self._at_rate(probe, ask, rate, f"server: probe {next(numbers)} of {PROBES}"))

        rate = highest_rate(capacity, holds) or capacity / 2**PROBES
        ran = self._at_rate(plan, ask, rate, "server")
        for again in range(2, MAX_BACK_OFFS + 2):
            if _kept_up(ran):
                break
            rate *= BACK_OFF
            ran = self._at_rate(plan, ask, rate, f"server: run {again}, slower")
        return ran

    def _at_rate(self, plan: Plan, ask: Ask, rate: float, stage: str) -> Ran:
        arrivals = poisson(rate, queries=plan.min_queries, duration_ns=plan.min_duration_ns, seed=plan.seed)
        max_over = over_allowed(len(arrivals), RULES[Scenario.SERVER].percentile)
        timings = self._watched(
            stage,
            arrivals[-1],
            lambda tick: open_loop(
                ask, self._clock, arrivals, bound_ns=plan.bound_ns, max_over=max(0, max_over), tick=tick
            ),
        )
        asked = Asked(
            scenario=plan.scenario,
            min_queries=plan.min_queries,
            min_duration_ns=plan.min_duration_ns,
            samples=len(timings.latencies_ns),
            target_qps=rate,
            searched=plan.target_qps is None,
            bound_ns=plan.bound_ns,
        )
        return Ran(asked=asked, timings=timings, verdict=judge(asked, timings), batch=1)

    def _closed(self, stage: str, ask: Ask, queries: int, duration_ns: int) -> Timings:
        return self._watched(
            stage,
            duration_ns,
            lambda tick: closed_loop(ask, self._clock, queries=queries, duration_ns=duration_ns, tick=tick),
        )

    def _ask(self, size: int, max_batch: int, seed: int) -> tuple[Ask, int]:
        """How to run a query of ``size`` samples, and how many of them go into one run of the engine."""
        batch = size if self._samples.batchable and size <= max_batch else 1
        prepared = prepare(self._samples, batch, seed=seed)
        chosen, run = picks(len(prepared), seed=seed), self._engine.run
        runs = size // batch

        def ask(_: int) -> None:
            for _ in range(runs):
                run(prepared[next(chosen)])

        return ask, batch

    def _warm_up(self, ask: Ask) -> None:
        for index in range(WARM_UP_RUNS):
            ask(index)

    def _watched(self, stage: str, expected_ns: int, work: Callable[[Tick], Timings]) -> Timings:
        """Run with a progress bar of ``TICKS`` steps."""
        self._progress.start(f"{self._name} {stage}".strip(), TICKS)
        shown = 0

        def tick(elapsed_ns: int) -> None:
            nonlocal shown
            steps = min(TICKS, elapsed_ns * TICKS // max(1, expected_ns))
            if steps > shown:
                self._progress.advance(steps - shown)
                shown = steps

        timings = work(tick)
        self._progress.done()
        return timings


def _kept_up(ran: Ran) -> bool:
    return not ran.verdict.reasons and is_steady(ran.timings.latencies_ns)
