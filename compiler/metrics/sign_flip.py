"""The paired permutation test of a mean difference, by flipping signs (R. Fisher, The Design of Experiments, 1935, 21).

Under the null hypothesis either model could have been the better one on each sample, so the sign of every difference
is a coin's. Small sets are enumerated; others take random flips, with the observed ones counted among them (B. Phipson
and G. Smyth, "Permutation p-values should never be zero", 2010, arXiv:1603.05766).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.metrics.draws import signs

EXACT = 12
"""Most differences of which all 2**n sign patterns are tried."""

FLIPS = 4999
"""Random sign patterns beyond that: the smallest p-value is 0.0002."""

_ROUNDING = 1e-12
"""Slack for sums in another order, relative to the sum of absolute differences."""


def sign_flip_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value of ``differences`` [samples] having the mean zero; samples that do not differ do not count."""
    changed = differences[differences != 0.0]
    count = len(changed)
    if not count:
        return 1.0
    bound = abs(float(changed.sum())) - _ROUNDING * float(np.abs(changed).sum())
    if count <= EXACT:
        patterns = (np.arange(1 << count)[:, None] >> np.arange(count)) & 1
        return float(np.mean(np.abs((patterns * 2.0 - 1.0) @ changed) >= bound))
    reached = sum(int(np.count_nonzero(np.abs(flips @ changed) >= bound)) for flips in signs(count, FLIPS))
    return (1 + reached) / (1 + FLIPS)
