"""Sends spooled batches to the hub: one at a time, the same bytes until accepted, with backoff and jitter."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import Protocol

from edge_agent.telemetry.spool import Spool, Spooled
from edge_bundle.errors import FormatError, LimitExceededError, RefusedError, SkerryError, UnavailableError

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where batches go."""

    async def send(self, batch: bytes) -> None:
        """Returns once the other side has the batch, be it from an earlier attempt.

        Raises ``UnavailableError`` (try again), ``RefusedError`` (this node is not welcome now), or ``FormatError`` or
        ``LimitExceededError`` (this batch never will be).
        """


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Full jitter: a random wait between 0 and ``base_s * 2^failures``, at most ``max_s``.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    base_s: float = 1.0
    max_s: float = 300.0

    def delay_s(self, failures: int, rng: random.Random) -> float:
        """The wait after the ``failures``-th failure in a row, counted from 1."""
        doublings = min(failures - 1, 30)  # beyond, max_s holds anyway and 2**n only grows
        return rng.uniform(0.0, min(self.max_s, self.base_s * 2**doublings))


class Uploader:
    """Empties the spool into a sink. Idempotent: the hub counts a batch that comes twice once."""

    def __init__(self, spool: Spool, sink: Sink, *, backoff: Backoff | None = None, rng: random.Random) -> None:
        self._spool, self._sink, self._rng = spool, sink, rng
        self._backoff = backoff or Backoff()
        self.failures = 0

    async def run(self, spooled: asyncio.Event, regained: asyncio.Event, *, idle_s: float = 60.0) -> None:
        """Send until cancelled. Looks at the spool when ``spooled`` is set and at least every ``idle_s``.

        After failures it waits for its backoff to pass, or for ``regained``: others found the hub answering again.
        """
        while True:
            spooled.clear()
            await self.drain()
            if not self.failures:
                await _wait(spooled, idle_s)
            elif await _wait(regained, self._backoff.delay_s(self.failures, self._rng)):
                regained.clear()
                self.failures = 0

    async def drain(self) -> None:
        """Send batches until the spool is empty or one fails; ``failures`` counts failures in a row."""
        try:
            while (batch := await asyncio.to_thread(self._spool.peek)) is not None:
                await self._send(batch)
                self.failures = 0
        except (UnavailableError, RefusedError) as error:
            self.failures += 1
            if self.failures == 1:
                _log.info("telemetry waits: %s", error)

    async def _send(self, batch: Spooled) -> None:
        try:
            await self._sink.send(batch.payload)
        except (FormatError, LimitExceededError) as error:
            _log.warning("telemetry batch %d is dropped: %s", batch.sequence, _text(error))
            await asyncio.to_thread(self._spool.discard, batch.sequence)
            return
        await asyncio.to_thread(self._spool.delete, batch.sequence)


async def _wait(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether the event came in time."""
    try:
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    except TimeoutError:
        return False


def _text(error: SkerryError) -> str:
    return f"{error.name}: {error}"
