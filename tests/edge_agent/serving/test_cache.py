"""The cache's rules under a clock that the test holds."""

from __future__ import annotations

import pytest

from edge_agent.serving.cache import ENTRY_OVERHEAD_BYTES, OutputCache
from edge_bundle.tensor import DType, Tensor
from tests.edge_agent.serving.world import OUTPUT, fp32

ANSWER = {OUTPUT: fp32([1.0, 2.0, 3.0, 4.0])}
ENTRY_BYTES = ENTRY_OVERHEAD_BYTES + 16


class Hands:
    """A clock."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def cache(clock: Hands, *, ttl_s: float = 60.0, entries: int = 3, nbytes: int = 1 << 20) -> OutputCache:
    return OutputCache(clock_s=clock, ttl_s=ttl_s, max_entries=entries, max_bytes=nbytes)


def test_an_entry_lives_for_its_ttl_and_a_hit_does_not_lengthen_it() -> None:
    clock = Hands()
    stored = cache(clock)
    assert stored.put("k", ANSWER, ())
    clock.now_s += 59.9
    assert stored.get("k") is not None
    clock.now_s += 0.1
    assert stored.get("k") is None
    assert (len(stored), stored.nbytes, stored.counts.expired) == (0, 0, 1)


@pytest.mark.parametrize(
    ("entries", "nbytes"), [pytest.param(2, 1 << 20, id="by-entries"), pytest.param(9, 2 * ENTRY_BYTES, id="by-bytes")]
)
def test_the_least_recently_used_entry_goes_first(entries: int, nbytes: int) -> None:
    stored = cache(Hands(), entries=entries, nbytes=nbytes)
    stored.put("a", ANSWER, ())
    stored.put("b", ANSWER, ())
    assert stored.get("a") is not None
    stored.put("c", ANSWER, ())
    assert stored.get("b") is None
    assert stored.get("a") is not None
    assert (len(stored), stored.nbytes, stored.counts.evicted) == (2, 2 * ENTRY_BYTES, 1)


def test_an_answer_too_large_alone_is_not_stored_and_evicts_nothing() -> None:
    stored = cache(Hands(), nbytes=ENTRY_BYTES)
    stored.put("a", ANSWER, ())
    assert not stored.put("b", {OUTPUT: fp32([0.0] * 8)}, ())
    assert stored.get("a") is not None


def test_storing_again_replaces_and_counts_bytes_once() -> None:
    stored = cache(Hands())
    stored.put("a", ANSWER, ())
    stored.put("a", ANSWER, ())
    assert (len(stored), stored.nbytes) == (1, ENTRY_BYTES)


def test_entries_are_copies() -> None:
    memory = bytearray(16)
    stored = cache(Hands())
    stored.put("a", {OUTPUT: Tensor(DType.FP32, (1, 4), memoryview(memory))}, ())
    memory[0] = 7
    entry = stored.get("a")
    assert entry is not None
    assert entry.outputs[OUTPUT].data == bytes(16)


def test_disabled_is_empty_for_good() -> None:
    stored = cache(Hands())
    stored.put("a", ANSWER, ())
    stored.disable()
    assert not stored.put("b", ANSWER, ())
    assert (len(stored), stored.nbytes, stored.get("a")) == (0, 0, None)
