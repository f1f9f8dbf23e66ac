"""DeLong's test of two areas under ROC curves of the same samples.

E. DeLong, D. DeLong and D. Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
characteristic curves: a nonparametric approach", Biometrics 44 (1988), 837-845.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def delong_p(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> float:
    """Two-sided p-value of equal areas.

    ``positives`` and ``negatives`` are differences of the two models' placements, per sample of either class. One
    sample of a class says nothing of its spread: the p-value is then 1.
    """
    if min(len(positives), len(negatives)) < 2:  # noqa: PLR2004 - a variance needs two
        return 1.0
    difference = float(positives.mean())
    variance = float(positives.var(ddof=1)) / len(positives) + float(negatives.var(ddof=1)) / len(negatives)
    if variance == 0.0:
        return 1.0 if difference == 0.0 else 0.0
    return math.erfc(abs(difference) / math.sqrt(2.0 * variance))
