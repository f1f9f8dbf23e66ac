"""Turns what happens on the node into telemetry records, window by window. Pure: the clock is injected.

One event loop owns the recorder; ``event`` and the meters are not for use from other threads.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from edge_agent.telemetry.meter import Counts, Meter
from edge_bundle.telemetry import MAX_RECORDS_PER_BATCH, EventRecord, ServingRecord

MAX_PENDING_EVENTS = MAX_RECORDS_PER_BATCH
"""Events kept between two flushes; the oldest go first, and are counted."""


class Described(Protocol):
    """What the recorder needs to know of a variant (``edge_agent.models.Served`` has it)."""

    @property
    def name(self) -> str:
        """Model name."""

    @property
    def version(self) -> str:
        """Release version."""

    @property
    def variant_digest(self) -> str:
        """Digest of the variant's image manifest."""

    @property
    def profile(self) -> str:
        """Hardware profile the variant was compiled for."""


class Recorder:
    """Meters by variant and a bounded list of events. ``clock`` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._meters: dict[tuple[str, str, str], Meter] = {}
        self._events: deque[EventRecord] = deque(maxlen=MAX_PENDING_EVENTS)
        self.events_dropped = 0

    def meter(self, variant: Described) -> Meter:
        """The meter of a variant, made when it is first asked for."""
        key = (variant.name, variant.version, variant.variant_digest)
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = Meter(
                model=variant.name,
                version=variant.version,
                variant_digest=variant.variant_digest,
                profile=variant.profile,
                start_s=self._clock(),
            )
        return meter

    def meters(self) -> tuple[Meter, ...]:
        """Every meter, for statistics."""
        return tuple(self._meters.values())

    def event(self, kind: str, *, model: str = "", detail: str = "") -> None:
        """Note something that happened once."""
        if len(self._events) == MAX_PENDING_EVENTS:
            self.events_dropped += 1
        self._events.append(EventRecord(at_ms=_ms(self._clock()), kind=kind, model=model, detail=detail))

    def flush(self, now_s: float | None = None) -> tuple[ServingRecord, ...]:
        """Close every window at ``now_s`` (the clock's time by default); variants without requests give no record."""
        end_s = self._clock() if now_s is None else now_s
        records = []
        for meter in self._meters.values():
            start_s = meter.start_s
            window = meter.close_window(end_s)
            if window.requests:
                records.append(_record(meter, window, start_s, end_s))
        return tuple(records)

    def take_events(self) -> tuple[EventRecord, ...]:
        """The events since the last call, oldest first."""
        events = tuple(self._events)
        self._events.clear()
        return events


def _record(meter: Meter, window: Counts, start_s: float, end_s: float) -> ServingRecord:
    return ServingRecord(
        model=meter.model,
        version=meter.version,
        variant_digest=meter.variant_digest,
        profile=meter.profile,
        start_ms=_ms(start_s),
        end_ms=max(_ms(end_s), _ms(start_s)),  # a clock set back must not make a window end before it starts
        requests=window.requests,
        samples=window.samples,
        hits=window.hits,
        misses=window.misses,
        rejected=window.rejected,
        failed=window.failed,
        clipped=window.clipped,
        flagged=window.flagged,
        latency_us=window.latency_us,
    )


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
