"""Tango's score interval of a difference of paired shares.

T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
Statistics in Medicine 17 (1998), 891-908. It keeps its level in small sets and where no sample changed; recommended by
M. Fagerland, S. Lydersen and P. Laake, Statistics in Medicine 33 (2014), 2850-2875.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from compiler.metrics.wilson import Z_95

_HALVINGS = 60
"""Bisections of an interval at most 2 long: below the spacing of float64 near 1."""


def tango_interval(worse: int, better: int, samples: int, *, z: float = Z_95) -> tuple[float, float]:
    """Bounds of ``(worse - better) / samples``, both in [-1, 1] and around the observed value.

    Raises:
        ValueError: not ``0 <= worse + better <= samples`` with at least one sample.

    """
    if min(worse, better) < 0 or worse + better > samples or samples < 1:
        raise ValueError(f"expected worse + better <= samples and samples >= 1, got {worse} + {better} of {samples}")
    observed = (worse - better) / samples
    # The statistic falls as the difference grows, from above z to below -z.
    low = _root(lambda delta: _statistic(delta, worse, better, samples) - z, -1.0, observed)
    high = _root(lambda delta: _statistic(delta, worse, better, samples) + z, observed, 1.0)
    return min(low, observed), max(high, observed)


def _statistic(delta: float, worse: int, better: int, samples: int) -> float:
    """Tango's equation 26; its variance takes the maximum likelihood estimate of the share that got better (eq. 27)."""
    a = 2.0 * samples
    b = -worse - better + (2.0 * samples - worse + better) * delta
    c = -better * delta * (1.0 - delta)
    better_share = (math.sqrt(max(0.0, b * b - 4.0 * a * c)) - b) / (2.0 * a)
    variance = samples * (2.0 * better_share + delta * (1.0 - delta))
    distance = worse - better - samples * delta
    if variance <= 0.0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if falling(middle) > 0.0:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
