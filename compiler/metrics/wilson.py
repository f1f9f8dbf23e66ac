"""The Wilson score interval of a proportion (E. B. Wilson, J. Amer. Statist. Assoc. 22, 1927, 209-212)."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: a two-sided 95 % interval."""


def wilson_interval(correct: int, samples: int, *, z: float = Z_95) -> tuple[float, float]:
    """Lower and upper bound of ``correct / samples``, both in [0, 1] and around the observed value.

    Raises:
        ValueError: not ``0 <= correct <= samples`` with at least one sample.

    """
    if not 0 <= correct <= samples or samples < 1:
        raise ValueError(f"expected 0 <= correct <= samples and samples >= 1, got {correct} of {samples}")
    share = correct / samples
    weight = z * z / samples
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / samples + weight / (4 * samples))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))
