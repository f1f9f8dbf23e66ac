"""Early stopping: what a latency percentile may be said to be after finitely many queries.

A query is "over" the true percentile ``p`` with probability ``1 - p``. If so few of ``n`` are over a bound that this
happens by chance with less than ``1 - CONFIDENCE``, the bound holds. MLPerf Inference Rules, "Early Stopping
Criterion"; LoadGen computes the same sum as a regularised incomplete beta function (``loadgen/early_stopping.cc``):

    P(at most t of n over) = sum over x from 0 to t of C(n, x) p^(n - x) (1 - p)^x  <  1 - CONFIDENCE
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.99
"""LoadGen's, as its tolerance of 0 is (``PerformanceSummary::EarlyStopping`` in ``loadgen/results.cc``)."""

NEGLIGIBLE_DEVIATIONS = 10
"""So many standard deviations below the mean the whole lower tail is under e^-45 (Chernoff) and is left out."""


@dataclass(frozen=True)
class Estimate:
    """``value`` bounds the percentile from above with ``CONFIDENCE``; ``discarded`` greater ones were left out."""

    value: float
    discarded: int


def over_allowed(queries: int, percentile: float) -> int:
    """Most queries over a latency bound with which it still counts as the ``percentile`` (a fraction).

    -1 where there are too few queries even if not one is over.
    """
    share = 1.0 - percentile
    mean = queries * share
    deviation = math.sqrt(mean * percentile)
    over = max(0, math.floor(mean - NEGLIGIBLE_DEVIATIONS * deviation))
    total = 0.0
    while over <= queries:
        total += _probability(over, queries, share)
        if total >= 1.0 - CONFIDENCE:
            break
        over += 1
    return over - 1


def queries_needed(over: int, percentile: float) -> int:
    """Fewest queries with which ``over`` queries over the bound are still allowed."""
    high = 1
    while over_allowed(high, percentile) < over:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if over_allowed(middle, percentile) < over:
            low = middle
        else:
            high = middle
    return high


def min_queries(percentile: float) -> int:
    """Fewest queries for an estimate: 64 for the 90th percentile, 662 for the 99th."""
    return queries_needed(1, percentile)


def estimate(ordered: Sequence[float], percentile: float) -> Estimate | None:
    """The early stopping estimate of ``ordered`` (ascending) latencies, or ``None`` for too few.

    The ``t``-th greatest, for the greatest ``t`` that may be over: it and those above it are the queries over a bound
    just below it.
    """
    allowed = over_allowed(len(ordered), percentile)
    return Estimate(ordered[-allowed], allowed - 1) if allowed >= 1 else None


def _probability(over: int, queries: int, share: float) -> float:
    """Of exactly ``over`` out of ``queries``, each with probability ``share``; by logarithms, which do not overflow."""
    ways = math.lgamma(queries + 1) - math.lgamma(over + 1) - math.lgamma(queries - over + 1)
    return math.exp(ways + over * math.log(share) + (queries - over) * math.log1p(-share))
