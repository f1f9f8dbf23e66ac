"""When to poll again: pure arithmetic with injected randomness."""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.config import HubConfig

MIN_INTERVAL_S = 0.05
"""A hub that asks for less than this is broken; the node must not spin for it."""

MAX_DOUBLINGS = 20
"""2**20 times any interval is beyond every allowed ``backoff_max_s``; keeps the power finite."""


@dataclass
class PollSchedule:
    """The wait before the next poll. ``failures`` counts polls in a row that failed."""

    config: HubConfig
    hub_interval_s: float | None = None
    failures: int = 0

    def succeeded(self, hub_interval_s: float) -> None:
        """A poll was answered; the hub wishes for this interval."""
        self.failures = 0
        self.hub_interval_s = hub_interval_s

    def failed(self) -> None:
        """A poll failed."""
        self.failures += 1

    def wait_s(self, uniform: float) -> float:
        """Seconds to wait; ``uniform`` is a random number in ``[0, 1)`` that spreads the fleet.

        After failures the interval doubles, up to ``backoff_max_s``.
        """
        wish = self.hub_interval_s if self.hub_interval_s is not None else self.config.poll_interval_s
        interval = max(MIN_INTERVAL_S, min(wish, self.config.poll_interval_s))
        backoff = interval * 2.0 ** min(self.failures, MAX_DOUBLINGS)
        base = interval if self.failures == 0 else max(interval, min(backoff, self.config.backoff_max_s))
        return base * (1.0 + self.config.jitter * uniform)
