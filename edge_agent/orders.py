"""What became of orders: which errors are final, what is still to be reported, what need not be tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from edge_agent.texts import carried
from edge_bundle.errors import (
    ClockError,
    DigestMismatchError,
    ExpiredMetadataError,
    RefusedError,
    RollbackError,
    SkerryError,
    UnavailableError,
    UntrustedMetadataError,
    VerificationError,
)
from edge_bundle.limits import MAX_MODELS, MAX_OUTCOMES
from edge_bundle.messages import DesiredRelease, UpdateOutcome, UpdateResult

T = TypeVar("T")

MAX_DETAIL_CHARS = 500
"""Detail in an outcome; the hub stores and shows it."""

MAX_PENDING = MAX_OUTCOMES
"""Outcomes kept while the hub is away; one per model and attempt, the oldest go first."""

TRANSIENT = (UnavailableError, RefusedError, ClockError)
"""Not about the release: network, disk, credentials, clock. Reported as ``failed`` and tried again."""

METADATA = (ExpiredMetadataError, RollbackError, UntrustedMetadataError)
"""Refusals of what the hub says today: reported as ``refused``, but looked at again at every poll. No blob is fetched
before these are judged, so looking again costs a few kilobytes, and a hub that is mended heals its nodes."""

DAMAGED_PAUSE_MS, MAX_DAMAGED_PAUSE_MS = 60_000, 6 * 3_600_000
"""A copy that differs from its digest says nothing of the release, but fetching it costs a whole blob: it is tried
again after a minute, then after twice as long each time, at last four times a day."""


@dataclass(frozen=True)
class Refusal:
    """An order that is left alone: until ``again_ms`` (Unix milliseconds), or for good."""

    order: DesiredRelease
    pause_ms: int = 0
    again_ms: int | None = None


def result_of(error: SkerryError) -> UpdateResult:
    """How an error is reported."""
    return UpdateResult.FAILED if isinstance(error, TRANSIENT) else UpdateResult.REFUSED


def is_final(error: SkerryError) -> bool:
    """Whether the same order is left alone at the next poll: verification, contract, engine and golden refusals."""
    if isinstance(error, METADATA):
        return False
    return isinstance(error, VerificationError) or not isinstance(error, TRANSIENT)


@dataclass
class OrderBook:
    """Memory of this process: final refusals, and outcomes not yet delivered to the hub.

    Bounded, whatever model names a hub makes up: of each kind the newest ``MAX_MODELS`` are remembered.
    """

    pending: list[UpdateOutcome] = field(default_factory=list)
    _refused: dict[str, Refusal] = field(default_factory=dict)
    _last: dict[str, UpdateOutcome] = field(default_factory=dict)

    def is_due(self, order: DesiredRelease, *, now_ms: int) -> bool:
        """Whether to work on an order; a refused one is left alone until it changes or its pause is over."""
        refusal = self._refused.get(order.model)
        if refusal is None or refusal.order != order:
            return True
        return refusal.again_ms is not None and now_ms >= refusal.again_ms

    def activated(self, order: DesiredRelease, *, at_ms: int, detail: str = "") -> None:
        """The ordered release serves; ``detail`` says why by another profile's variant."""
        outcome = _outcome(order, UpdateResult.ACTIVATED, at_ms=at_ms)
        self._report(msgspec.structs.replace(outcome, detail=carried(detail, max_chars=MAX_DETAIL_CHARS)))

    def failed(self, order: DesiredRelease, error: SkerryError, *, at_ms: int) -> bool:
        """The order ended in an error; returns whether that is news (a fault that persists is told once)."""
        if is_final(error):
            _remember(self._refused, order.model, self._refusal(order, error, at_ms))
        return self._report(_outcome(order, result_of(error), error=error, at_ms=at_ms))

    def _refusal(self, order: DesiredRelease, error: SkerryError, at_ms: int) -> Refusal:
        if not isinstance(error, DigestMismatchError):
            return Refusal(order)
        before = self._refused.get(order.model)
        again = before is not None and before.order == order
        pause_ms = min(2 * before.pause_ms, MAX_DAMAGED_PAUSE_MS) if before and again else DAMAGED_PAUSE_MS
        return Refusal(order, pause_ms, at_ms + pause_ms)

    def delivered(self, outcomes: tuple[UpdateOutcome, ...]) -> None:
        """The hub has these now."""
        self.pending = [outcome for outcome in self.pending if outcome not in outcomes]

    @property
    def last(self) -> tuple[UpdateOutcome, ...]:
        """The latest outcome of each model, for the status."""
        return tuple(self._last[model] for model in sorted(self._last))

    def _report(self, outcome: UpdateOutcome) -> bool:
        last = self._last.get(outcome.model)
        if last is not None and _same(last, outcome):
            return False
        _remember(self._last, outcome.model, outcome)
        self.pending = [*self.pending, outcome][-MAX_PENDING:]
        return True


def _remember(memory: dict[str, T], model: str, value: T) -> None:
    memory.pop(model, None)
    memory[model] = value
    if len(memory) > MAX_MODELS:
        del memory[next(iter(memory))]


def _same(one: UpdateOutcome, other: UpdateOutcome) -> bool:
    """Whether the hub would learn nothing new."""
    keys = ("rollout_id", "model", "version", "result", "error")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _outcome(
    order: DesiredRelease, result: UpdateResult, *, at_ms: int, error: SkerryError | None = None
) -> UpdateOutcome:
    return UpdateOutcome(
        rollout_id=order.rollout_id,
        model=order.model,
        version=order.version,
        result=result,
        error=error.name if error else "",
        detail=carried(str(error), max_chars=MAX_DETAIL_CHARS) if error else "",
        at_ms=at_ms,
    )
