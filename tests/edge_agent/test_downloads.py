"""Resumable downloads: what is kept, what is dropped, what is bounded."""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.config import LimitsConfig
from edge_agent.disk import RealDisk
from edge_agent.downloader import Downloader
from edge_agent.store import Store
from edge_agent.transfer import Budget, RateFloor
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import DigestMismatchError, FormatError, LimitExceededError, UnavailableError
from tests.sim.memory_hub import NODE_ID, FakeClock, Faults, MemoryHub

DATA = random.Random(7).randbytes(100_000)
DIGEST = sha256_digest(DATA)


class Bench:
    """A downloader on a disk of its own, and the hub it asks."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.hub = MemoryHub(self.clock, chunk_bytes=10_000)
        self.hub.blobs[DIGEST] = DATA
        self.disk = RealDisk()
        self.store = Store(folder, self.disk)
        self.downloader = Downloader(self.store, self.disk, self.hub, LimitsConfig(), self.clock)

    def fetch(self, digest: str = DIGEST, size: int = len(DATA)) -> bytes:
        return asyncio.run(self.downloader.fetch(NODE_ID, digest, size))

    @property
    def partial(self) -> Path:
        return self.store.partial_path(DIGEST)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_blob_is_fetched_once(bench: Bench) -> None:
    assert bench.fetch() == DATA
    assert bench.fetch() == DATA
    assert bench.hub.transfers == [(DIGEST, 0)]
    assert not bench.partial.exists()


def test_an_empty_blob(bench: Bench) -> None:
    digest = f"sha256:{hashlib.sha256().hexdigest()}"
    bench.hub.blobs[digest] = b""
    assert bench.fetch(digest, 0) == b""
    assert bench.store.blob_path(digest).read_bytes() == b""


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(Faults(cut_after_bytes=30_000), id="connection-lost"),
        pytest.param(Faults(truncate_to=30_000), id="ended-early"),
    ],
)
def test_an_interrupted_download_resumes_where_it_was(bench: Bench, faults: Faults) -> None:
    bench.hub.faults = faults
    with pytest.raises(UnavailableError):
        bench.fetch()
    assert bench.partial.read_bytes() == DATA[:30_000]
    for _ in range(2):
        with pytest.raises(UnavailableError):
            bench.fetch()
    assert bench.fetch() == DATA
    assert [offset for _, offset in bench.hub.transfers] == [0, 30_000, 60_000, 90_000]


def test_a_damaged_partial_is_dropped_and_fetched_from_the_first_byte(bench: Bench) -> None:
    bench.disk.append(bench.partial, bench.hub.flipped(DATA[:40_000]))
    assert bench.fetch() == DATA
    assert [offset for _, offset in bench.hub.transfers] == [40_000, 0]


def test_a_complete_partial_needs_no_network(bench: Bench) -> None:
    bench.disk.append(bench.partial, DATA)
    bench.hub.faults.down = True
    assert bench.fetch() == DATA


def test_a_partial_longer_than_the_blob_is_dropped(bench: Bench) -> None:
    bench.disk.append(bench.partial, DATA + b"surplus")
    assert bench.fetch() == DATA


def test_a_damaged_blob_on_disk_is_fetched_again(bench: Bench) -> None:
    bench.fetch()
    bench.store.blob_path(DIGEST).write_bytes(bench.hub.flipped(DATA))
    assert bench.fetch() == DATA
    assert len(bench.hub.transfers) == 2


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x"], ids=["shorter", "longer"])
def test_a_blob_of_another_length_on_disk_is_fetched_again(bench: Bench, change: object) -> None:
    assert callable(change)
    bench.fetch()
    bench.store.blob_path(DIGEST).write_bytes(change(DATA))
    assert bench.fetch() == DATA


def test_wrong_bytes_from_the_hub_leave_nothing(bench: Bench) -> None:
    bench.hub.faults.flip_in = {DIGEST}
    with pytest.raises(DigestMismatchError):
        bench.fetch()
    assert not bench.partial.exists()
    assert not bench.store.blob_path(DIGEST).exists()


def test_more_bytes_than_promised_are_cut_off(bench: Bench) -> None:
    with pytest.raises(LimitExceededError):
        bench.fetch(size=50_000)
    assert not bench.partial.exists()


def test_a_blob_above_the_limit_is_not_even_asked_for(bench: Bench) -> None:
    limits = LimitsConfig(max_artifact_bytes=1000)
    bench.downloader = replace(bench.downloader, limits=limits)
    with pytest.raises(LimitExceededError):
        bench.fetch()
    assert not bench.hub.transfers


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "sha256:" + "A" * 64, "md5:" + "0" * 32])
def test_a_digest_that_is_none_never_becomes_a_path(bench: Bench, digest: str) -> None:
    with pytest.raises(FormatError):
        bench.fetch(digest)


def test_a_full_disk_loses_nothing_and_says_so(bench: Bench) -> None:
    def full(operation: str) -> None:
        if operation.startswith("append"):
            raise OSError(28, "No space left on device")

    downloader = replace(bench.downloader, disk=RealDisk(full))
    with pytest.raises(UnavailableError, match="No space left on device") as caught:
        asyncio.run(downloader.fetch(NODE_ID, DIGEST, len(DATA)))
    assert "free space" in caught.value.advice
    assert bench.fetch() == DATA


def test_rate_floor_judges_each_window() -> None:
    clock = FakeClock(0.0)
    floor = RateFloor(what="x", min_bytes_per_s=100, window_s=10, clock=clock)
    floor.add(5000)
    clock.now = 10.0
    floor.add(1)  # 500 bytes/s over the first window
    clock.now = 19.0
    floor.add(1)  # slow, but the window is not over
    clock.now = 20.0
    with pytest.raises(UnavailableError, match="expected at least 100 bytes/s"):
        floor.add(1)


def test_budget_allows_exactly_its_limit() -> None:
    budget = Budget(what="x", max_bytes=10)
    budget.add(10)
    with pytest.raises(LimitExceededError):
        budget.add(1)
