"""Rules for receiving bytes from a server that may be slow on purpose: pure, no I/O.

A server that sends one byte now and then keeps every read timeout happy for ever ("slow retrieval", TUF specification
section 1.5.2), so progress is judged over windows of time.
"""

from __future__ import annotations

from edge_agent.ports import Clock
from edge_bundle.errors import LimitExceededError, UnavailableError


class RateFloor:
    """Cuts a transfer that brings less than ``min_bytes_per_s`` over any full window of ``window_s``."""

    def __init__(self, *, what: str, min_bytes_per_s: float, window_s: float, clock: Clock) -> None:
        self._what = what
        self._min_bytes_per_s, self._window_s, self._clock = min_bytes_per_s, window_s, clock
        self._start = clock()
        self._received = 0

    def add(self, count: int) -> None:
        """Count received bytes; ``UnavailableError`` when the window that just ended brought too few."""
        self._received += count
        elapsed = self._clock() - self._start
        if elapsed < self._window_s:
            return
        rate = self._received / elapsed
        if rate < self._min_bytes_per_s:
            detail = f"expected at least {self._min_bytes_per_s:g} bytes/s, got {rate:.1f} over {elapsed:.1f} s"
            raise UnavailableError(what=self._what, detail=detail, advice="the download resumes at the next poll")
        self._start, self._received = self._clock(), 0


class Budget:
    """Counts bytes against a limit; ``LimitExceededError`` on the first byte too many."""

    def __init__(self, *, what: str, max_bytes: int) -> None:
        self._what, self._max_bytes = what, max_bytes
        self.used = 0

    def add(self, count: int) -> None:
        """Count received bytes."""
        self.used += count
        if self.used > self._max_bytes:
            raise LimitExceededError(what=self._what, limit=self._max_bytes, got=self.used, unit="bytes")
