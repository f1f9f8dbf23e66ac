"""Candidate ranges of a tensor, from its distribution. Pure rules; which one is used is decided by measured error.

Sources: percentile and entropy after S. Migacz, "8-bit Inference with TensorRT" (GTC 2017), entropy on each side of
zero that has values; MSE after R. Banner et al., "Post training 4-bit quantization of convolutional networks for
rapid-deployment" (NeurIPS 2019), by search instead of a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_plan import Affine
from compiler.quantization.histogram import Distribution
from compiler.quantization.recipe import Range

MIN_MAX, ENTROPY, MSE, GRID = "min-max", "entropy", "mse", "grid"

PERCENTILES = (99.9, 99.99, 99.999)
"""Shares of values, in percent, that lie within a percentile range; the rest is cut evenly from both ends."""

CUTS = tuple(1.0 - 0.04 * step for step in range(18))
"""Shares of the whole range that the MSE search tries for each end; below a third, no 8-bit range was ever best."""

ENTROPY_BINS, ENTROPY_LEVELS = 2048, 128
"""Bins of one side's distribution, and levels that it is squeezed into (a sign's share of 8 bits)."""

ENTROPY_STEP = 32
"""Bins between two thresholds that are tried."""

Rule = Callable[[float, float], Affine]
"""From a range to how a tensor is stored."""


def candidates(seen: Distribution, rule: Rule) -> Mapping[str, Range]:
    """Ranges by the name of the method; each lies within the lowest and highest value seen."""
    found: dict[str, Range] = {MIN_MAX: (seen.low, seen.high)}
    if seen.low == seen.high:
        return found
    for percent in PERCENTILES:
        found[f"percentile {percent:g}"] = _within(seen, _percentile(seen, percent))
    found[ENTROPY] = _within(seen, (-_threshold(seen, -1), _threshold(seen, 1)))
    found[MSE] = least_squares(seen, rule)
    return found


def least_squares(seen: Distribution, rule: Rule) -> Range:
    """The range whose stored values differ least from the float ones, by the sum of squares over the histogram."""
    used = np.flatnonzero(seen.counts)
    centres, counts = seen.centres[used], seen.counts[used].astype(np.float64)
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)

    def error(pair: Range) -> float:
        return float(counts @ np.square(centres - _round_trip(centres, rule(*pair))))

    together = min(((low * cut, high * cut) for cut in CUTS), key=error)
    lows = [together[0]] if low == 0.0 else [low * cut for cut in CUTS]
    best_low = min(((one, together[1]) for one in lows), key=error)
    highs = [together[1]] if high == 0.0 else [high * cut for cut in CUTS]
    return _within(seen, min(((best_low[0], one) for one in highs), key=error))


def histogram_error(seen: Distribution, affine: Affine) -> float:
    """Sum of squared differences by the sum of squares, over a histogram."""
    centres, counts = seen.centres, seen.counts.astype(np.float64)
    power = float(counts @ np.square(centres))
    return float(counts @ np.square(centres - _round_trip(centres, affine))) / power if power else 0.0


def _round_trip(values: NDArray[np.float64], affine: Affine) -> NDArray[np.float64]:
    first, last = affine.stored
    stored = np.clip(np.rint(values / affine.scale), first - affine.zero_point, last - affine.zero_point)
    return np.asarray(stored * affine.scale, dtype=np.float64)


def _within(seen: Distribution, found: Range) -> Range:
    return max(found[0], seen.low), min(found[1], seen.high)


def _percentile(seen: Distribution, percent: float) -> Range:
    """Bin edges that cut half of the rest from each end; one end only where values have one sign."""
    total = int(seen.counts.sum())
    one_sided = seen.low >= 0.0 or seen.high <= 0.0
    share = (1.0 - percent / 100.0) * total / (1.0 if one_sided else 2.0)
    below = np.cumsum(seen.counts)
    first = int(np.searchsorted(below, share, side="right")) if seen.low < 0.0 else 0
    last = int(np.searchsorted(below, total - share, side="left")) if seen.high > 0.0 else len(below) - 1
    edges = np.linspace(-seen.reach, seen.reach, len(below) + 1)
    low = float(edges[first]) if seen.low < 0.0 else seen.low
    high = float(edges[min(last, len(below) - 1) + 1]) if seen.high > 0.0 else seen.high
    return low, high


def _threshold(seen: Distribution, sign: int) -> float:
    """The magnitude on one side of zero that loses least information when what lies beyond is cut."""
    half = len(seen.counts) // 2
    side = seen.counts[half:] if sign > 0 else seen.counts[:half][::-1]
    if not side.any():
        return 0.0
    counts = side.reshape(ENTROPY_BINS, -1).sum(axis=1).astype(np.float64)
    counts[0] = 0.0  # zeros of Relu are stored exactly under any range
    last = int(np.flatnonzero(counts)[-1]) + 1 if counts.any() else ENTROPY_BINS
    ends = [*range(ENTROPY_LEVELS, last, ENTROPY_STEP), last]
    best = min(ends, key=lambda end: _divergence(counts, end))
    return float(best * seen.reach / ENTROPY_BINS)


def _divergence(counts: NDArray[np.float64], end: int) -> float:
    """Kullback-Leibler divergence of the first ``end`` bins (what is cut goes to the last) from their squeezed form."""
    kept = counts[:end]
    wanted = kept.copy()
    wanted[-1] += counts[end:].sum()
    level = np.arange(end) * ENTROPY_LEVELS // end
    there = kept > 0
    sums = np.bincount(level, weights=kept, minlength=ENTROPY_LEVELS)
    bins = np.bincount(level, weights=there.astype(np.float64), minlength=ENTROPY_LEVELS)
    squeezed = np.where(there, sums[level] / np.maximum(bins[level], 1.0), 0.0)
    both = (wanted > 0) & (squeezed > 0)
    if not both.any():
        return np.inf
    p, q = wanted / wanted.sum(), squeezed / squeezed.sum()
    missed = float(p[(wanted > 0) & ~both].sum())
    return float((p[both] * np.log(p[both] / q[both])).sum()) + missed
