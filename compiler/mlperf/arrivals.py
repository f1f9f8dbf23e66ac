"""Random schedules, reproducible by their seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from compiler.mlperf.scenario import NS_PER_S
from edge_bundle.errors import LimitExceededError

MAX_ARRIVALS = 20_000_000
"""Queries in one schedule: all lie in memory, at some 40 bytes each."""

MAX_SCHEDULE_S = 7 * 86_400.0
"""Longest schedule, in seconds: a rate so low that its queries take longer is a mistake."""

_ADVICE = "ask for another rate, or another duration"


def poisson(rate_qps: float, *, queries: int, duration_ns: int, seed: int) -> tuple[int, ...]:
    """Arrival times in nanoseconds from the start: a Poisson process of ``rate_qps`` queries per second.

    At least ``queries`` of them, and the last not before ``duration_ns``: LoadGen makes its schedule the same way.

    Raises:
        LimitExceededError: so many, or so far apart, that no run of them would end.

    """
    count, seconds = max(queries, rate_qps * duration_ns / NS_PER_S), max(duration_ns / NS_PER_S, queries / rate_qps)
    if count > MAX_ARRIVALS:
        what = f"a schedule of {rate_qps:g} queries per second"
        raise LimitExceededError(what=what, limit=MAX_ARRIVALS, got=count, unit="queries", advice=_ADVICE)
    if seconds > MAX_SCHEDULE_S:
        what = f"a schedule of {rate_qps:g} queries per second"
        raise LimitExceededError(what=what, limit=MAX_SCHEDULE_S, got=seconds, unit="seconds", advice=_ADVICE)
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
