"""Which errors are final, which are told, and how often."""

from __future__ import annotations

import pytest

from edge_agent.orders import (
    DAMAGED_PAUSE_MS,
    MAX_DAMAGED_PAUSE_MS,
    MAX_DETAIL_CHARS,
    MAX_PENDING,
    OrderBook,
    is_final,
    result_of,
)
from edge_bundle.errors import (
    ClockError,
    DigestMismatchError,
    EngineError,
    ExpiredMetadataError,
    GoldenMismatchError,
    LimitExceededError,
    NotFoundError,
    RefusedError,
    RollbackError,
    RuntimeMissingError,
    SignatureError,
    SkerryError,
    SubjectMismatchError,
    UnavailableError,
    UntrustedMetadataError,
)
from edge_bundle.messages import DesiredRelease, UpdateResult

REFUSED, FAILED = UpdateResult.REFUSED, UpdateResult.FAILED


def order(rollout_id: str = "r1", version: str = "2.0.0") -> DesiredRelease:
    return DesiredRelease(rollout_id=rollout_id, model="digits", version=version, target_path="digits/2.0.0.json")


DOWN = UnavailableError(what="hub", detail="down")
WRONG = DigestMismatchError(subject="blob", expected="a", got="b")


@pytest.mark.parametrize(
    ("error", "result", "final"),
    [
        (DOWN, FAILED, False),
        (RefusedError(what="hub", detail="no"), FAILED, False),
        (ClockError(expected="now", got="1970"), FAILED, False),
        (ExpiredMetadataError(subject="timestamp", detail="old"), REFUSED, False),
        (RollbackError(subject="release", at_least="2", got="1"), REFUSED, False),
        (UntrustedMetadataError(subject="targets", detail="unsigned"), REFUSED, False),
        (WRONG, REFUSED, True),
        (SignatureError(subject="bundle", threshold=2, valid=1), REFUSED, True),
        (SubjectMismatchError(subject="bundle", expected="a", got="b"), REFUSED, True),
        (LimitExceededError(what="blob", limit=1, got=2, unit="bytes"), REFUSED, True),
        (NotFoundError(what="variant", name="npu"), REFUSED, True),
        (EngineError(runtime="x", detail="cannot load"), REFUSED, True),
        (RuntimeMissingError(runtime="x", extra="x"), REFUSED, True),
        (GoldenMismatchError(runtime="x", vector=0, tensor="y", expected="1", got="2"), REFUSED, True),
    ],
    ids=lambda value: value.name if isinstance(value, SkerryError) else "",
)
def test_how_errors_are_taken(error: SkerryError, result: UpdateResult, final: bool) -> None:
    assert result_of(error) is result
    assert is_final(error) is final
    book = OrderBook()
    book.failed(order(), error, at_ms=1)
    assert book.is_due(order(), now_ms=2) is not final
    assert book.is_due(order("r2"), now_ms=2)


def test_a_damaged_copy_is_fetched_again_ever_more_rarely() -> None:
    book, now_ms, pauses = OrderBook(), 0, []
    for _ in range(12):
        book.failed(order(), WRONG, at_ms=now_ms)
        pause_ms = DAMAGED_PAUSE_MS
        while not book.is_due(order(), now_ms=now_ms + pause_ms):
            assert not book.is_due(order(), now_ms=now_ms + pause_ms - 1)
            pause_ms = min(2 * pause_ms, MAX_DAMAGED_PAUSE_MS)
        pauses.append(pause_ms)
        now_ms += pause_ms
    assert pauses[:3] == [DAMAGED_PAUSE_MS, 2 * DAMAGED_PAUSE_MS, 4 * DAMAGED_PAUSE_MS]
    assert pauses[-1] == MAX_DAMAGED_PAUSE_MS
    book.failed(order(), SignatureError(subject="bundle", threshold=2, valid=1), at_ms=now_ms)
    assert not book.is_due(order(), now_ms=now_ms + 2 * MAX_DAMAGED_PAUSE_MS)


def test_a_fault_that_persists_is_told_once() -> None:
    book = OrderBook()
    for at_ms in range(3):
        book.failed(order(), DOWN, at_ms=at_ms)
    assert [outcome.at_ms for outcome in book.pending] == [0]
    book.delivered(tuple(book.pending))
    book.failed(order(), DOWN, at_ms=9)
    assert book.pending == []
    book.failed(order(), WRONG, at_ms=10)
    book.activated(order("r2"), at_ms=11)
    assert [outcome.result for outcome in book.pending] == [REFUSED, UpdateResult.ACTIVATED]
    assert [outcome.at_ms for outcome in book.last] == [11]


def test_what_could_not_be_delivered_stays() -> None:
    book = OrderBook()
    book.activated(order("r1"), at_ms=1)
    sent = tuple(book.pending)
    book.activated(order("r2"), at_ms=2)
    book.delivered(sent)
    assert [outcome.rollout_id for outcome in book.pending] == ["r2"]


def test_pending_outcomes_and_their_details_are_bounded() -> None:
    book = OrderBook()
    for number in range(MAX_PENDING + 10):
        book.failed(order(f"r{number}"), UnavailableError(what="hub", detail="x" * 10_000), at_ms=number)
    assert len(book.pending) == MAX_PENDING
    assert book.pending[-1].rollout_id == f"r{MAX_PENDING + 9}"
    assert all(len(outcome.detail) <= MAX_DETAIL_CHARS for outcome in book.pending)
