"""Percentile bootstrap intervals (B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.metrics.draws import resamples

REPLICATES = 2000
"""Resamples behind an interval: Efron and Tibshirani ask for 1,000 and more for percentiles; pROC takes 2,000."""

TAILS = (0.025, 0.975)
"""Of a two-sided 95 % interval."""


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the mean of ``values`` [samples]; the same values always give the same interval."""
    means = [values[drawn].mean(axis=1) for drawn in resamples(len(values), REPLICATES)]
    return percentile_interval(np.concatenate(means), float(values.mean()))


def percentile_interval(replicates: NDArray[np.float64], value: float) -> tuple[float, float]:
    """The middle 95 % of a statistic's replicates, widened to hold the observed ``value``."""
    low, high = np.quantile(replicates, TAILS)
    return min(float(low), value), max(float(high), value)
