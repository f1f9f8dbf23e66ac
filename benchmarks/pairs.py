"""The pair runner: two subjects measured alternately (A B A B ...), so that a busy neighbour slows both alike.

The figure to trust is the median of the pairwise ratios B/A; its interval comes from a percentile bootstrap (Efron and
Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13) with an injected random generator.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BOOTSTRAP_SAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sample:
    """One timed segment: microseconds per operation, by the clock and of the processor."""

    wall_us: float
    cpu_us: float


@dataclass(frozen=True)
class Ratio:
    """The median of pairwise ratios and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairResult:
    """Medians of both subjects and the ratio B/A, by the clock and in processor time."""

    a: Sample
    b: Sample
    wall_ratio: Ratio
    cpu_ratio: Ratio


Segment = Callable[[], Sample]
"""Runs one segment of a subject."""


def run_pairs(
    a: Segment, b: Segment, *, pairs: int, rng: random.Random, advance: Callable[[], None] = lambda: None
) -> PairResult:
    """Warm both up with one segment each, then measure ``pairs`` pairs; ``advance`` is called after every segment."""
    for warm_up in (a, b):
        warm_up()
        advance()
    first, second = [], []
    for _ in range(pairs):
        first.append(a())
        advance()
        second.append(b())
        advance()
    return PairResult(
        a=_medians(first),
        b=_medians(second),
        wall_ratio=ratio([s.wall_us for s in first], [s.wall_us for s in second], rng),
        cpu_ratio=ratio([s.cpu_us for s in first], [s.cpu_us for s in second], rng),
    )


def ratio(a: Sequence[float], b: Sequence[float], rng: random.Random) -> Ratio:
    """The median of ``b[i] / a[i]`` with its interval. Both must be equally long, not empty and above zero."""
    ratios = [y / x for x, y in zip(a, b, strict=True)]
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(BOOTSTRAP_SAMPLES))
    tail = int(BOOTSTRAP_SAMPLES * (1 - CONFIDENCE) / 2)
    return Ratio(value=statistics.median(ratios), low=medians[tail], high=medians[-1 - tail])


def _medians(samples: Sequence[Sample]) -> Sample:
    return Sample(
        wall_us=statistics.median(sample.wall_us for sample in samples),
        cpu_us=statistics.median(sample.cpu_us for sample in samples),
    )
