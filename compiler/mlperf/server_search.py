"""The highest rate of arrivals that keeps the latency bound: found by bisection, then held against a full run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

PROBES = 7
"""Bisections of the range below the engine's capacity: to within 1 % of it."""

BACK_OFF = 0.95
"""A full run that fails lowers the rate to this share: a long run meets rarer delays than a short one."""

MAX_BACK_OFFS = 8
"""Full runs before the search gives up: the rate is then a third below what short runs allowed."""

STEADY = 2.0
"""Most by which the median latency of the second half of a run may exceed that of the first. Where queries come faster
than they are answered, waits grow in proportion to time, and this ratio is 3 however far the bound is still away."""


def is_steady(latencies_ns: Sequence[int]) -> bool:
    """Whether a rate could be kept up for longer than the run: the queue did not grow all the time."""
    half = len(latencies_ns) // 2
    if half == 0:
        return True
    return statistics.median(latencies_ns[half:]) <= STEADY * statistics.median(latencies_ns[:half])


def highest_rate(capacity: float, holds: Callable[[float], bool]) -> float:
    """Queries per second up to ``capacity`` at which a short run holds the bound; 0 if none did.

    ``capacity`` is the rate of a closed loop: no more can be answered in the long run.
    """
    low, high = 0.0, capacity
    for _ in range(PROBES):
        middle = (low + high) / 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
