"""Random schedules, reproducible by their seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from compiler.mlperf.scenario import NS_PER_S


def poisson(rate_qps: float, *, queries: int, duration_ns: int, seed: int) -> tuple[int, ...]:
    """Arrival times in nanoseconds from the start: a Poisson process of ``rate_qps`` queries per second.

    At least ``queries`` of them, and the last not before ``duration_ns``: LoadGen makes its schedule the same way.
    """
    rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    at = 0.0
    times: list[int] = []
    while len(times) < queries or times[-1] < duration_ns:
        at += rng.expovariate(rate_qps) * NS_PER_S
        times.append(round(at))
    return tuple(times)


def picks(count: int, *, seed: int) -> Iterator[int]:
    """An endless draw, with replacement, from the ``count`` prepared queries."""
    rng = random.Random(seed + 1)  # noqa: S311 - another stream than that of the arrivals
    while True:
        yield rng.randrange(count)
