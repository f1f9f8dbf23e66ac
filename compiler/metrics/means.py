"""One number per sample, and their mean: bootstrap intervals, and a test that flips signs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from compiler.metrics.bootstrap import mean_interval
from compiler.metrics.sign_flip import sign_flip_p
from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof, Interval, PairedProof


@dataclass(frozen=True)
class Means:
    """``values`` [samples], float64."""

    values: NDArray[np.float64]
    lower_is_better: bool

    @property
    def value(self) -> float:
        """The mean, rounded once."""
        return math.fsum(self.values.tolist()) / len(self.values)

    def proof(self, metric: Metric) -> AccuracyProof:
        """The mean with its bootstrap interval; one sample alone has none."""
        several = len(self.values) > 1
        low, high = mean_interval(self.values) if several else (self.value, self.value)
        return AccuracyProof(
            metric=metric,
            samples=len(self.values),
            value=self.value,
            low=min(low, self.value),
            high=max(high, self.value),
            interval=Interval.BOOTSTRAP if several else Interval.NONE,
        )

    def of(self, chosen: NDArray[np.intp]) -> Self:
        """Those samples alone."""
        return type(self)(self.values[chosen], self.lower_is_better)

    def paired(self, reference: Self) -> PairedProof:
        """The mean of how much worse each sample got."""
        worse_by = self.values - reference.values
        worse_by = worse_by if self.lower_is_better else -worse_by
        drop = math.fsum(worse_by.tolist()) / len(worse_by)
        low, high = mean_interval(worse_by)
        return PairedProof(
            drop=drop,
            low=min(low, drop),
            high=max(high, drop),
            worse=int(np.count_nonzero(worse_by > 0.0)),
            better=int(np.count_nonzero(worse_by < 0.0)),
            p_value=sign_flip_p(worse_by),
            test="permutation",
        )
