"""The round runner: subjects measured in turn (A B C A B C ...), so that a busy neighbour slows all alike.

The figure to trust is the median of the ratios within each round; its interval comes from a percentile bootstrap
(Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13) with an injected random generator.
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
    """The median of ratios and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


Segment = Callable[[], Sample]
"""Runs one segment of a subject."""


def run_rounds(
    segments: Sequence[Segment], *, rounds: int, advance: Callable[[], None] = lambda: None
) -> tuple[tuple[Sample, ...], ...]:
    """Warm all up with one segment each, then measure ``rounds`` rounds; ``advance`` is called after every segment.

    Returns the samples of each subject, in the order of ``segments``.
    """
    for warm_up in segments:
        warm_up()
        advance()
    samples: tuple[list[Sample], ...] = tuple([] for _ in segments)
    for _ in range(rounds):
        for segment, taken in zip(segments, samples, strict=True):
            taken.append(segment())
            advance()
    return tuple(tuple(taken) for taken in samples)


def ratio(a: Sequence[float], b: Sequence[float], rng: random.Random) -> Ratio:
    """The median of ``b[i] / a[i]`` with its interval. Both must be equally long, not empty and ``a`` above zero."""
    ratios = [y / x for x, y in zip(a, b, strict=True)]
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(BOOTSTRAP_SAMPLES))
    tail = int(BOOTSTRAP_SAMPLES * (1 - CONFIDENCE) / 2)
    return Ratio(value=statistics.median(ratios), low=medians[tail], high=medians[-1 - tail])


def median(samples: Sequence[Sample]) -> Sample:
    """The medians of both times."""
    return Sample(statistics.median(s.wall_us for s in samples), statistics.median(s.cpu_us for s in samples))
