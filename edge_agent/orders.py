"""What became of orders: which errors are final, what is still to be reported, what need not be tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from edge_agent.texts import carried
from edge_bundle.errors import (
    ClockError,
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


def result_of(error: SkerryError) -> UpdateResult:
    """How an error is reported."""
    return UpdateResult.FAILED if isinstance(error, TRANSIENT) else UpdateResult.REFUSED


def is_final(error: SkerryError) -> bool:
    """Whether the same order must not be tried again: verification, contract, engine and golden refusals."""
    if isinstance(error, METADATA):
        return False
    return isinstance(error, VerificationError) or not isinstance(error, TRANSIENT)


@dataclass
class OrderBook:
    """Memory of this process: final refusals, and outcomes not yet delivered to the hub.

    Bounded, whatever model names a hub makes up: of each kind the newest ``MAX_MODELS`` are remembered.
    """

    pending: list[UpdateOutcome] = field(default_factory=list)
    _refused: dict[str, DesiredRelease] = field(default_factory=dict)
    _last: dict[str, UpdateOutcome] = field(default_factory=dict)

    def is_due(self, order: DesiredRelease) -> bool:
        """Whether to work on an order; one refused for good is left alone until the order changes."""
        return self._refused.get(order.model) != order

    def activated(self, order: DesiredRelease, *, at_ms: int) -> None:
        """The ordered release serves."""
        self._report(_outcome(order, UpdateResult.ACTIVATED, at_ms=at_ms))

    def failed(self, order: DesiredRelease, error: SkerryError, *, at_ms: int) -> bool:
        """The order ended in an error; returns whether that is news (a fault that persists is told once)."""
        if is_final(error):
            _remember(self._refused, order.model, order)
        return self._report(_outcome(order, result_of(error), error=error, at_ms=at_ms))

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
