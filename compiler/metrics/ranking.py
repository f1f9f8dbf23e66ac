"""Scores of samples of two classes: the area under the ROC curve, with intervals by a stratified bootstrap.

The area is the share of pairs (one sample of class 1, one of class 0) that the scores put in order, equal scores
counting half (J. Hanley and B. McNeil, Radiology 143, 1982, 29-36). Resamples keep the number of samples of each
class, as pROC does (X. Robin et al., BMC Bioinformatics 12, 2011, 77), so none is without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from compiler.metrics.bootstrap import REPLICATES, percentile_interval
from compiler.metrics.delong import delong_p
from compiler.metrics.draws import SEED, resamples
from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof, Interval, PairedProof


@dataclass(frozen=True)
class Ranking:
    """``scores`` [samples], float64; ``positive`` [samples]: of class 1. Both classes are there."""

    scores: NDArray[np.float64]
    positive: NDArray[np.bool_]

    @property
    def value(self) -> float:
        """The area under the curve; counted in whole numbers, divided once."""
        positives, negatives = self.scores[self.positive], np.sort(self.scores[~self.positive])
        return int(_twice_below(positives, negatives).sum()) / (2 * len(positives) * len(negatives))

    def proof(self, metric: Metric) -> AccuracyProof:
        """The area with its bootstrap interval; a class of one sample gives none."""
        several = 1 < np.count_nonzero(self.positive) < len(self.positive) - 1
        low, high = percentile_interval(self._replicates(), self.value) if several else (self.value, self.value)
        return AccuracyProof(
            metric=metric,
            samples=len(self.scores),
            value=self.value,
            low=low,
            high=high,
            interval=Interval.BOOTSTRAP if several else Interval.NONE,
        )

    def of(self, chosen: NDArray[np.intp]) -> Self:
        """Those samples alone."""
        return type(self)(self.scores[chosen], self.positive[chosen])

    def paired(self, reference: Self) -> PairedProof:
        """The drop in area; a sample got worse if fewer of the other class are on its right side than before."""
        positives, negatives = (ref - got for got, ref in zip(self._placed(), reference._placed(), strict=True))
        drop = reference.value - self.value
        low, high = percentile_interval(reference._replicates() - self._replicates(), drop)
        changes = np.concatenate([positives, negatives])
        return PairedProof(
            drop=drop,
            low=low,
            high=high,
            worse=int(np.count_nonzero(changes > 0.0)),
            better=int(np.count_nonzero(changes < 0.0)),
            p_value=delong_p(positives, negatives),
            test="delong",
        )

    def _placed(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of each sample of class 1, and of class 0, the share of the other class that it is in order with."""
        positives, negatives = self.scores[self.positive], self.scores[~self.positive]
        above = _twice_below(positives, np.sort(negatives)) / (2 * len(negatives))
        below = _twice_below(-negatives, np.sort(-positives)) / (2 * len(positives))
        return above, below

    def _replicates(self) -> NDArray[np.float64]:
        """The areas of the resamples; the same resamples for every model scored on these samples."""
        levels, level = np.unique(self.scores, return_inverse=True)
        positives, negatives = level[self.positive], level[~self.positive]
        areas = [
            _area(np.bincount(one, minlength=len(levels)), np.bincount(other, minlength=len(levels)))
            for one, other in zip(_resampled(positives, SEED), _resampled(negatives, SEED + 1), strict=True)
        ]
        return np.asarray(areas)


def _twice_below(scores: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of each score, twice the number of ``others`` (sorted) below it, equal ones counted once."""
    return np.searchsorted(others, scores, "left") + np.searchsorted(others, scores, "right")


def _resampled(levels: NDArray[np.intp], seed: int) -> Iterator[NDArray[np.intp]]:
    return (levels[row] for drawn in resamples(len(levels), REPLICATES, seed=seed) for row in drawn)


def _area(positives: NDArray[np.intp], negatives: NDArray[np.intp]) -> float:
    """The area, from how many samples of either class have each score, scores ascending."""
    twice_below = 2 * np.cumsum(negatives) - negatives
    return float((positives * twice_below).sum() / (2.0 * positives.sum() * negatives.sum()))
