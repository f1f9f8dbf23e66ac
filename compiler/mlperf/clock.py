"""The clock of a run: real, or one that a test moves."""

from __future__ import annotations

import time
from typing import Protocol

SPIN_NS = 1_000_000
"""The last stretch of a wait is spent awake: a sleep may last longer than asked by a scheduler's tick."""


class Clock(Protocol):
    """Monotonic nanoseconds."""

    def now_ns(self) -> int:
        """The time."""

    def wait_until_ns(self, at_ns: int) -> None:
        """Return at ``at_ns``, at once if that is past."""


class SystemClock:
    """The machine's own."""

    def now_ns(self) -> int:
        """The time of ``time.perf_counter``."""
        return time.perf_counter_ns()

    def wait_until_ns(self, at_ns: int) -> None:
        """Sleep, then spin."""
        ahead = at_ns - SPIN_NS - time.perf_counter_ns()
        if ahead > 0:
            time.sleep(ahead / 1e9)
        while time.perf_counter_ns() < at_ns:
            pass
