"""Uploading into a sink in memory that loses acknowledgements, refuses and is away."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from edge_agent.telemetry.batch import decode_batch
from edge_agent.telemetry.collector import DROPPED_EVENT, Collector
from edge_agent.telemetry.recorder import Recorder
from edge_agent.telemetry.spool import Priority, Spool, SpoolLimits
from edge_agent.telemetry.uploader import Backoff, Uploader
from edge_bundle.errors import FormatError, RefusedError, UnavailableError
from tests.edge_agent.telemetry.records import Hands, Variant, serving_record


class MemorySink:
    """Counts a batch once by (node, boot, sequence), as a hub does; ``failures`` says what happens to each send."""

    def __init__(self, failures: Sequence[Exception | None] = ()) -> None:
        self.failures = iter(failures)
        self.received: list[bytes] = []
        self.counted: dict[tuple[str, str, int], int] = {}
        self.accepted, self.refused = asyncio.Event(), asyncio.Event()

    async def send(self, batch: bytes) -> None:
        failure = next(self.failures, None)
        if isinstance(failure, FormatError):
            raise failure
        self.received.append(batch)
        parsed = decode_batch(batch)
        key = (parsed.node_id, parsed.boot_id, parsed.sequence)
        self.counted.setdefault(key, sum(record.requests for record in parsed.serving))
        if failure is None:
            self.accepted.set()
        else:  # counted, but the answer is lost on the way
            self.refused.set()
            raise failure


class AbsentSink(MemorySink):
    """Nobody there."""

    async def send(self, batch: bytes) -> None:
        raise UnavailableError(what="hub", detail="connection refused")


LOST = UnavailableError(what="hub", detail="timed out")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db", node_id="n", boot_id="b", clock=Hands()) as opened:
        yield opened


def uploader(spool: Spool, sink: MemorySink, backoff: Backoff | None = None) -> Uploader:
    return Uploader(spool, sink, rng=random.Random(3), backoff=backoff or Backoff(base_s=0.001, max_s=0.002))


def fill(spool: Spool, requests: list[int]) -> None:
    for count in requests:
        spool.append(serving=[serving_record(count)], priority=Priority.SERVING)


def test_a_lost_acknowledgement_means_the_same_bytes_again_and_one_count(spool: Spool) -> None:
    sink = MemorySink([LOST, None, LOST, LOST, None])
    fill(spool, [10, 20])

    async def go() -> None:
        sender = uploader(spool, sink)
        for _ in range(5):
            await sender.drain()

    asyncio.run(go())
    assert spool.peek() is None
    assert sum(sink.counted.values()) == 30
    assert len(sink.received) == 5
    assert len(set(sink.received)) == 2


def test_nothing_is_deleted_while_the_hub_is_away(spool: Spool) -> None:
    fill(spool, [1, 2, 3])
    sender = uploader(spool, AbsentSink())
    asyncio.run(sender.drain())
    assert (spool.pending(), sender.failures) == (3, 1)


def test_a_refused_node_keeps_its_batches(spool: Spool) -> None:
    fill(spool, [1])
    sender = uploader(spool, MemorySink([RefusedError(what="telemetry", detail="node is suspended")]))
    asyncio.run(sender.drain())
    assert (spool.pending(), sender.failures) == (1, 1)


def test_a_batch_that_can_never_be_accepted_does_not_block_the_rest(spool: Spool) -> None:
    fill(spool, [1, 2])
    sink = MemorySink([FormatError(what="batch", expected="schema 2", got="1")])
    asyncio.run(uploader(spool, sink).drain())
    assert (spool.pending(), spool.dropped().batches, sum(sink.counted.values())) == (0, 1, 2)


def test_the_task_sends_when_woken_and_retries_by_itself(spool: Spool) -> None:
    sink = MemorySink([LOST, LOST, LOST])

    async def go() -> None:
        spooled = asyncio.Event()
        async with asyncio.timeout(30):
            task = asyncio.create_task(uploader(spool, sink).run(spooled, asyncio.Event()))
            await asyncio.to_thread(fill, spool, [4])
            spooled.set()
            await sink.accepted.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())
    assert sum(sink.counted.values()) == 4


def test_a_hub_that_is_back_ends_the_backoff(spool: Spool) -> None:
    sink = MemorySink([LOST])
    fill(spool, [4])

    async def go() -> None:
        regained = asyncio.Event()
        sender = uploader(spool, sink, Backoff(base_s=3600.0, max_s=3600.0))
        async with asyncio.timeout(30):
            task = asyncio.create_task(sender.run(asyncio.Event(), regained))
            await sink.refused.wait()
            regained.set()
            await sink.accepted.wait()
        assert (sender.failures, regained.is_set()) == (0, False)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())


def test_backoff_is_random_up_to_a_doubling_bound() -> None:
    backoff, rng = Backoff(base_s=1.0, max_s=60.0), random.Random(0)
    for failures, bound in ((1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (5000, 60.0)):
        delays = [backoff.delay_s(failures, rng) for _ in range(300)]
        assert 0.0 <= min(delays) < bound / 10
        assert bound * 0.9 < max(delays) <= bound


def test_what_is_counted_arrives_exactly_once(spool: Spool) -> None:
    recorder = Recorder(Hands())
    sink = MemorySink([LOST, None, LOST, None, None])

    async def go() -> None:
        collector, sender = Collector(recorder, spool), uploader(spool, sink)
        for count in (3, 0, 5, 7):
            for _ in range(count):
                recorder.meter(Variant()).answered(rows=1, hit=False, latency_us=50.0)
            recorder.event("beat")
            await collector.collect()
            await sender.drain()
        await sender.drain()

    asyncio.run(go())
    assert sum(sink.counted.values()) == 15
    events = {key: len(decode_batch(batch).events) for batch in sink.received for key in [decode_batch(batch).sequence]}
    assert sum(events.values()) == 4


def test_what_the_disk_refuses_is_kept_for_the_next_beat(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    recorder = Recorder(Hands())
    spool = Spool(tmp_path / "spool.db", node_id="n", boot_id="b", clock=Hands())

    async def go() -> None:
        collector = Collector(recorder, spool)
        pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
        spool._db.execute("PRAGMA cache_spill=0")
        spool._db.execute(f"PRAGMA max_page_count={pages}")
        for index in range(60):
            recorder.event("event", detail=f"{index} {random.Random(index).random()}" * 40)
            recorder.meter(Variant()).rejected()
            await collector.collect()
        assert spool.pending() < 120
        spool._db.execute("PRAGMA max_page_count=100000")
        await collector.collect()

    asyncio.run(go())
    held, again = caplog.messages
    assert held.startswith("telemetry is held in memory")
    assert "again" in again
    sink = MemorySink()
    asyncio.run(uploader(spool, sink).drain())
    spool.close()
    assert sum(sink.counted.values()) == 60
    assert sum(len(decode_batch(batch).events) for batch in sink.received) == 60


def test_stopping_the_collector_stores_what_was_counted_last(spool: Spool) -> None:
    recorder = Recorder(Hands())

    async def go() -> None:
        task = asyncio.create_task(Collector(recorder, spool).run(3600.0))
        await asyncio.sleep(0)
        recorder.meter(Variant()).rejected()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())
    assert spool.pending() == 1


def test_losses_to_the_bounds_are_reported(tmp_path: Path) -> None:
    recorder = Recorder(Hands())

    async def go(spool: Spool) -> None:
        collector = Collector(recorder, spool)
        for _ in range(8):
            recorder.meter(Variant()).rejected()
            await collector.collect()

    with Spool(
        tmp_path / "spool.db", node_id="n", boot_id="b", clock=Hands(), limits=SpoolLimits(max_bytes=600)
    ) as spool:
        asyncio.run(go(spool))
        sink = MemorySink()
        asyncio.run(uploader(spool, sink).drain())
    events = [event for batch in sink.received for event in decode_batch(batch).events]
    assert events
    assert {event.kind for event in events} == {DROPPED_EVENT}
    kept = sum(sink.counted.values())
    assert 0 < kept < 8
    assert events[-1].detail.startswith(f"{8 - kept - 1} batches")  # all but what its own batch pushed out
