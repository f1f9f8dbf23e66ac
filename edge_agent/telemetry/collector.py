"""Moves what the recorder counted into the spool, at a steady beat and once more at the end."""

from __future__ import annotations

import asyncio
import logging
import threading

from edge_agent.telemetry.recorder import Recorder
from edge_agent.telemetry.spool import Dropped, Priority, Spool
from edge_bundle.errors import SkerryError
from edge_bundle.telemetry import MAX_RECORDS_PER_BATCH, EventRecord, ServingRecord

DROPPED_EVENT = "telemetry-dropped"
"""Kind of the event that says how much telemetry was lost to the spool's bounds."""

MAX_HELD_RECORDS = MAX_RECORDS_PER_BATCH
"""Records held in memory while the disk refuses; the oldest go first."""

_log = logging.getLogger(__name__)


class Collector:
    """Flushes a recorder into a spool. What the disk refuses is kept and tried again with the next beat."""

    def __init__(self, recorder: Recorder, spool: Spool) -> None:
        self._recorder, self._spool = recorder, spool
        self._serving: tuple[ServingRecord, ...] = ()
        self._events: tuple[EventRecord, ...] = ()
        self._reported = Dropped(batches=0, nbytes=0)
        self._held = False  # whether the disk refused the last time
        self._lock = threading.Lock()  # a cancelled beat may still be writing when the last one comes
        self.spooled = asyncio.Event()  # set after each batch stored; wakes the uploader

    async def run(self, interval_s: float) -> None:
        """Collect every ``interval_s`` until cancelled; what is counted up to then is stored before this returns."""
        try:
            while True:
                await asyncio.sleep(interval_s)
                await self.collect()
        finally:
            self._take()
            self._store_held()

    async def collect(self) -> None:
        """Close the windows and store them; never raises for a full disk."""
        self._take()
        if await asyncio.to_thread(self._store_held):
            self.spooled.set()

    def _take(self) -> None:
        with self._lock:
            self._serving = (*self._serving, *self._recorder.flush())[-MAX_HELD_RECORDS:]
            self._events = (*self._events, *self._recorder.take_events())[-MAX_HELD_RECORDS:]

    def _store_held(self) -> bool:
        with self._lock:
            try:
                stored = self._store()
            except SkerryError as error:
                if not self._held:
                    _log.warning("telemetry is held in memory: %s", error)
                self._held = True
                return False
            if stored and self._held:
                _log.info("telemetry is written to disk again")
                self._held = False
            return stored

    def _store(self) -> bool:
        stored = False
        if self._events:
            self._spool.append(events=self._events, priority=Priority.EVENTS)
            self._events, stored = (), True
        if self._serving:
            dropped = self._spool.dropped()
            notice = self._notice(dropped)
            self._spool.append(serving=self._serving, events=notice, priority=Priority.SERVING)
            self._serving, self._reported, stored = (), dropped, True
        return stored

    def _notice(self, dropped: Dropped) -> tuple[EventRecord, ...]:
        """Losses ride along with counters: a batch of their own, beat for beat, would crowd the counters out."""
        if dropped == self._reported:
            return ()
        detail = f"{dropped.batches} batches, {dropped.nbytes} bytes since the spool was made"
        return (EventRecord(at_ms=self._serving[-1].end_ms, kind=DROPPED_EVENT, detail=detail),)
