"""The four loops under a clock of their own."""

from __future__ import annotations

import pytest

from compiler.mlperf.bench import WARM_UP_RUNS, Bench, Plan, Ran
from compiler.mlperf.queries import Samples
from compiler.mlperf.scenario import NS_PER_S, Scenario
from compiler.progress import Silent
from tests.compiler.mlperf.fakes import US, FakeClock, FakeEngine, samples

MS = 1000 * US


def _bench(engine: FakeEngine, own: Samples | None = None) -> Bench:
    return Bench(engine, own or samples(), engine.clock, Silent())


def _steady(service_ns: int = 100 * US) -> FakeEngine:
    return FakeEngine(FakeClock(), lambda _, rows: service_ns * rows)


def test_single_stream_runs_the_fewest_queries() -> None:
    engine = _steady()
    ran = _bench(engine).run(Plan(scenario=Scenario.SINGLE_STREAM, min_duration_ns=0))
    assert ran.verdict.reasons == ()
    assert len(ran.timings.latencies_ns) == 64
    assert len(engine.runs) == WARM_UP_RUNS + 64
    assert (ran.verdict.metric, ran.verdict.unit, ran.verdict.value) == ("p90 latency", "us", 100.0)


def test_single_stream_lasts_as_long_as_asked() -> None:
    ran = _bench(_steady()).run(Plan(scenario=Scenario.SINGLE_STREAM, min_duration_ns=NS_PER_S))
    assert len(ran.timings.latencies_ns) == 10_001, "the last one is issued when the time is over"
    assert ran.timings.issued_ns == NS_PER_S


def test_single_stream_bounds_the_percentile_from_above() -> None:
    """Every tenth query is slow: the 90th percentile of so few may well be a slow one."""
    engine = FakeEngine(FakeClock(), lambda run, _: (100 if run % 10 else 500) * US)
    ran = _bench(engine).run(Plan(scenario=Scenario.SINGLE_STREAM, min_duration_ns=0, min_queries=100))
    assert ran.verdict.latency.p90_us == 500.0
    assert ran.verdict.value == 500.0
    engine = FakeEngine(FakeClock(), lambda run, _: (100 if run % 50 else 500) * US)
    ran = _bench(engine).run(Plan(scenario=Scenario.SINGLE_STREAM, min_duration_ns=0, min_queries=100))
    assert ran.verdict.early_stopping is not None
    assert ran.verdict.early_stopping.discarded == 2
    assert ran.verdict.value == 100.0


@pytest.mark.parametrize(
    ("batchable", "max_batch", "batch", "runs"),
    [
        pytest.param(True, 64, 8, 662, id="a batch of eight"),
        pytest.param(True, 4, 1, 662 * 8, id="the contract allows four"),
        pytest.param(False, 64, 1, 662 * 8, id="fixed shapes"),
    ],
)
def test_multi_stream_asks_for_eight_at_a_time(batchable: bool, max_batch: int, batch: int, runs: int) -> None:
    engine = _steady()
    plan = Plan(scenario=Scenario.MULTI_STREAM, min_duration_ns=0, max_batch=max_batch)
    ran = _bench(engine, samples(batchable=batchable)).run(plan)
    assert ran.batch == batch
    assert engine.runs[-runs:] == [batch] * runs
    assert ran.asked.samples == 662 * 8
    assert ran.verdict.value == 800.0
    assert ran.verdict.metric == "p99 latency"


def test_server_counts_the_wait() -> None:
    """At half load some queries wait for others, and at low load next to none do."""
    plan = Plan(scenario=Scenario.SERVER, min_duration_ns=0, bound_ns=MS, target_qps=5000.0)
    busy = _bench(_steady()).run(plan)
    assert busy.verdict.latency.min_us == pytest.approx(100.0, abs=0.001)
    assert busy.verdict.latency.mean_us == pytest.approx(150.0, rel=0.15), (
        "M/D/1 at half load: half a service time more"
    )
    idle = _bench(_steady()).run(Plan(scenario=Scenario.SERVER, min_duration_ns=0, bound_ns=MS, target_qps=50.0))
    assert idle.verdict.latency.mean_us < 101.0
    assert idle.verdict.reasons == ()
    assert idle.verdict.value == 50.0


def test_server_beyond_its_capacity_is_abandoned() -> None:
    plan = Plan(scenario=Scenario.SERVER, min_duration_ns=NS_PER_S, bound_ns=MS, target_qps=20_000.0)
    ran = _bench(_steady()).run(plan)
    assert ran.timings.abandoned
    assert len(ran.timings.latencies_ns) < 1000
    assert len(ran.verdict.reasons) == 1
    assert "queries took longer than 1 ms at 20000.0 queries per second" in ran.verdict.reasons[0]
    assert ran.verdict.server is not None
    assert ran.verdict.server.over > ran.verdict.server.allowed


def test_server_finds_the_highest_rate() -> None:
    """M/D/1 with a bound of ten service times for 99 % of the queries: between 70 and 95 % of the capacity."""
    ran = _bench(_steady()).run(Plan(scenario=Scenario.SERVER, min_duration_ns=NS_PER_S, bound_ns=MS))
    assert ran.verdict.reasons == ()
    assert ran.asked.searched
    assert 7000.0 < ran.asked.target_qps < 9500.0


def test_server_that_can_never_keep_the_bound() -> None:
    ran = _bench(_steady()).run(Plan(scenario=Scenario.SERVER, min_duration_ns=0, bound_ns=50 * US))
    assert len(ran.verdict.reasons) == 1
    assert "longer than 0.05 ms" in ran.verdict.reasons[0]


def test_a_seed_fixes_a_run() -> None:
    def times(seed: int) -> Ran:
        plan = Plan(scenario=Scenario.SERVER, min_duration_ns=0, bound_ns=MS, target_qps=5000.0, seed=seed)
        return _bench(_steady()).run(plan)

    assert times(1) == times(1)
    assert times(1).timings != times(2).timings


def test_offline_takes_the_best_batch() -> None:
    """A run costs 100 us and 10 us per row: the more rows, the better."""
    engine = FakeEngine(FakeClock(), lambda _, rows: (100 + 10 * rows) * US)
    ran = _bench(engine).run(Plan(scenario=Scenario.OFFLINE, min_duration_ns=NS_PER_S, max_batch=50))
    assert ran.batch == 32, "powers of two up to what the contract allows"
    assert ran.verdict.reasons == ()
    assert ran.verdict.value == pytest.approx(32 / 420e-6)
    assert len(ran.timings.latencies_ns) == 1
    assert ran.timings.duration_ns >= NS_PER_S


def test_offline_where_batches_do_not_pay() -> None:
    engine = FakeEngine(FakeClock(), lambda _, rows: 10 * rows * rows * US)
    ran = _bench(engine).run(Plan(scenario=Scenario.OFFLINE, min_duration_ns=0, max_batch=8))
    assert ran.batch == 1
    assert ran.asked.samples == 20, "each sample once"


def test_offline_that_speeds_up_after_the_tuning_is_run_again() -> None:
    engine = FakeEngine(FakeClock(), lambda run, _: (1000 if run < 102 else 100) * US)
    ran = _bench(engine).run(Plan(scenario=Scenario.OFFLINE, min_duration_ns=NS_PER_S))
    assert ran.verdict.reasons == ()
    assert NS_PER_S <= ran.timings.duration_ns < 1.2 * NS_PER_S


def test_offline_that_is_ever_faster_is_too_short() -> None:
    engine = FakeEngine(FakeClock(), lambda run, _: max(1, 1_000_000 // (run + 1) ** 2) * US)
    ran = _bench(engine).run(Plan(scenario=Scenario.OFFLINE, min_duration_ns=NS_PER_S))
    assert len(ran.verdict.reasons) == 1
    assert ran.verdict.reasons[0].startswith("expected at least 1 s, took ")


def test_progress_reaches_the_end() -> None:
    class Counted(Silent):
        steps = 0

        def advance(self, steps: int = 1) -> None:
            self.steps += steps

    counted, engine = Counted(), _steady()
    Bench(engine, samples(), engine.clock, counted).run(
        Plan(scenario=Scenario.SINGLE_STREAM, min_duration_ns=NS_PER_S // 10)
    )
    assert counted.steps == 100
