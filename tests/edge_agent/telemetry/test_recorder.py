"""Windows, totals and events under a clock that the test holds."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.telemetry.meter import Meter
from edge_agent.telemetry.recorder import MAX_PENDING_EVENTS, Recorder
from edge_bundle.telemetry import ServingRecord
from tests.edge_agent.telemetry.records import Hands, Variant


def test_a_window_becomes_one_record_and_the_next_starts_where_it_ended() -> None:
    clock = Hands()
    recorder = Recorder(clock)
    meter = recorder.meter(Variant())
    meter.answered(rows=3, hit=False, latency_us=100.0, clipped=True)
    meter.answered(rows=1, hit=True, latency_us=10.0, flagged=True)
    meter.rejected()
    meter.failed()
    clock.now_s += 10
    (record,) = recorder.flush()
    assert (record.requests, record.samples, record.hits, record.misses) == (4, 4, 1, 1)
    assert (record.rejected, record.failed, record.clipped, record.flagged) == (1, 1, 1, 1)
    assert (record.latency_us.count, record.latency_us.largest) == (2, 100.0)
    assert record.end_ms - record.start_ms == 10_000
    clock.now_s += 5
    meter.rejected()
    (following,) = recorder.flush()
    assert (following.start_ms, following.end_ms - following.start_ms) == (record.end_ms, 5_000)
    assert (following.requests, following.latency_us.count) == (1, 0)


def test_a_quiet_window_gives_no_record() -> None:
    recorder = Recorder(Hands())
    recorder.meter(Variant())
    assert recorder.flush() == ()


def test_a_clock_set_back_gives_an_empty_window_not_a_negative_one() -> None:
    clock = Hands()
    recorder = Recorder(clock)
    recorder.meter(Variant()).rejected()
    clock.now_s -= 3600
    (record,) = recorder.flush()
    assert record.start_ms == record.end_ms


def test_variants_are_counted_apart() -> None:
    recorder = Recorder(Hands())
    first, second = recorder.meter(Variant()), recorder.meter(Variant(variant_digest="sha256:" + "b" * 64))
    assert recorder.meter(Variant()) is first
    first.rejected()
    second.failed()
    assert [(r.rejected, r.failed) for r in recorder.flush()] == [(1, 0), (0, 1)]


_CALLS: dict[str, Callable[[Meter], None]] = {
    "hit": lambda meter: meter.answered(rows=2, hit=True, latency_us=5.0),
    "miss": lambda meter: meter.answered(rows=1, hit=False, latency_us=7.0),
    "rejected": Meter.rejected,
    "failed": Meter.failed,
}


@settings(deadline=None)
@given(st.lists(st.sampled_from([*_CALLS, "flush"]), max_size=60))
def test_requests_add_up_over_any_windows(steps: list[str]) -> None:
    recorder = Recorder(Hands())
    meter = recorder.meter(Variant())
    records: list[ServingRecord] = []
    for step in steps:
        if step == "flush":
            records.extend(recorder.flush())
        else:
            _CALLS[step](meter)
    records.extend(recorder.flush())
    for record in records:
        assert record.requests == record.hits + record.misses + record.rejected + record.failed
        assert record.latency_us.count == record.hits + record.misses
    counted = {name: steps.count(name) for name in _CALLS}
    total = meter.total()
    assert (total.hits, total.misses, total.rejected, total.failed) == tuple(counted.values())
    assert sum(record.requests for record in records) == total.requests == sum(counted.values())


def test_events_are_bounded_and_taken_once() -> None:
    recorder = Recorder(Hands())
    for index in range(MAX_PENDING_EVENTS + 5):
        recorder.event("kind", model="m", detail=str(index))
    events = recorder.take_events()
    assert (len(events), events[0].detail, recorder.events_dropped) == (MAX_PENDING_EVENTS, "5", 5)
    assert recorder.take_events() == ()
