"""The spool on a real disk: order, bounds, numbers that are never reused, damage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge_agent.telemetry.batch import decode_batch
from edge_agent.telemetry.spool import Priority, Spool, SpoolLimits
from edge_bundle.errors import AlreadyClosedError, UnavailableError
from tests.edge_agent.telemetry.records import Hands, event_record, serving_record


def spool(path: Path, *, boot: str = "boot-1", limits: SpoolLimits | None = None, clock: Hands | None = None) -> Spool:
    return Spool(path / "spool.db", node_id="node-1", boot_id=boot, limits=limits, clock=clock or Hands())


def fill(target: Spool, count: int, priority: Priority = Priority.SERVING) -> list[int]:
    return [target.append(serving=[serving_record()], priority=priority) for _ in range(count)]


def drain(target: Spool) -> list[int]:
    sequences = []
    while (batch := target.peek()) is not None:
        sequences.append(batch.sequence)
        target.delete(batch.sequence)
    return sequences


def test_a_batch_names_node_boot_and_sequence(tmp_path: Path) -> None:
    with spool(tmp_path) as target:
        sequence = target.append(serving=[serving_record(7)], priority=Priority.SERVING)
        first, second = target.peek(), target.peek()
        assert first is not None
        assert first == second  # the same bytes at every attempt
        batch = decode_batch(first.payload)
        assert (batch.node_id, batch.boot_id, batch.sequence) == ("node-1", "boot-1", sequence)
        assert batch.serving == (serving_record(7),)


def test_events_go_before_counters_then_oldest_first(tmp_path: Path) -> None:
    with spool(tmp_path) as target:
        counters = fill(target, 2)
        event = target.append(events=[event_record()], priority=Priority.EVENTS)
        assert drain(target) == [event, *counters]
        assert target.peek() is None


def test_numbers_go_on_after_a_restart_even_when_all_was_sent(tmp_path: Path) -> None:
    with spool(tmp_path) as target:
        assert drain(target) == []
        before = fill(target, 3)
        drain(target)
    with spool(tmp_path, boot="boot-2") as target:
        after = fill(target, 1)
    assert not set(before) & set(after)
    assert after[0] > max(before)


def test_batches_of_an_earlier_boot_keep_their_identity(tmp_path: Path) -> None:
    with spool(tmp_path) as target:
        fill(target, 1)
        sent = target.peek()
    with spool(tmp_path, boot="boot-2") as target:
        again = target.peek()
    assert again is not None
    assert again == sent
    assert decode_batch(again.payload).boot_id == "boot-1"


def test_full_means_the_oldest_of_the_lowest_priority_goes(tmp_path: Path) -> None:
    with spool(tmp_path) as target:
        fill(target, 1)
        one = target.peek()
        assert one is not None
        size = len(one.payload)
        drain(target)
    with spool(tmp_path, limits=SpoolLimits(max_bytes=4 * size + size // 2)) as target:
        event = target.append(events=[event_record()], priority=Priority.EVENTS)
        counters = fill(target, 6)
        kept = drain(target)
        dropped = target.dropped()
    assert kept[0] == event
    assert kept[1:] == counters[-len(kept) + 1 :]
    assert dropped.batches == len(counters) - len(kept) + 1
    assert dropped.nbytes == pytest.approx(dropped.batches * size, rel=0.1)


def test_a_batch_larger_than_the_whole_spool_is_dropped_alone(tmp_path: Path) -> None:
    with spool(tmp_path, limits=SpoolLimits(max_bytes=10)) as target:
        fill(target, 1)
        assert (target.pending(), target.dropped().batches) == (0, 1)


def test_old_batches_are_dropped_and_counted_across_restarts(tmp_path: Path) -> None:
    clock, limits = Hands(), SpoolLimits(max_age_s=100.0)
    with spool(tmp_path, limits=limits, clock=clock) as target:
        fill(target, 2)
        clock.now_s += 60
        young = fill(target, 1)
        clock.now_s += 60
        assert drain(target) == young
        assert target.dropped().batches == 2
    with spool(tmp_path, limits=limits, clock=clock) as target:
        assert target.dropped().batches == 2


def test_a_discarded_batch_is_counted(tmp_path: Path) -> None:
    with spool(tmp_path) as target:
        (sequence,) = fill(target, 1)
        target.discard(sequence)
        target.discard(sequence)
        assert (target.pending(), target.dropped().batches) == (0, 1)


def test_durability_settings(tmp_path: Path) -> None:
    with spool(tmp_path) as target:
        assert target._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert target._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_after_close_everything_says_so(tmp_path: Path) -> None:
    target = spool(tmp_path)
    target.close()
    with pytest.raises(AlreadyClosedError, match="already closed"):
        target.peek()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="unable to open"):
        spool(tmp_path / "missing")


def test_a_full_disk_is_unavailable_and_loses_nothing_stored(tmp_path: Path) -> None:
    with spool(tmp_path) as target:
        fill(target, 1)
        pages = target._db.execute("PRAGMA page_count").fetchone()[0]
        target._db.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(UnavailableError, match="full"):
            fill(target, 200)
        kept = target.pending()
        target._db.execute("PRAGMA max_page_count=100000")
        assert target.pending() == kept
        fill(target, 1)


@pytest.mark.parametrize(
    "damage",
    [pytest.param(b"not a database " * 300, id="overwritten"), pytest.param(b"\0" * 4096, id="first-page-zeroed")],
)
def test_a_damaged_file_is_put_aside(tmp_path: Path, damage: bytes) -> None:
    with spool(tmp_path) as target:
        fill(target, 3)
    path = tmp_path / "spool.db"
    path.write_bytes(damage + path.read_bytes()[len(damage) :])
    with spool(tmp_path, boot="boot-2") as target:
        assert target.damaged
        assert fill(target, 1) == [1]
    assert (tmp_path / "spool.db.damaged").is_file()


def test_another_process_may_read_meanwhile(tmp_path: Path) -> None:
    with spool(tmp_path) as target:
        fill(target, 1)
        reader = sqlite3.connect(f"file:{tmp_path / 'spool.db'}?mode=ro", uri=True)
        reader.execute("BEGIN")
        assert reader.execute("SELECT COUNT(*) FROM batch").fetchone() == (1,)
        fill(target, 1)
        reader.close()
        assert target.pending() == 2
