"""Samples that are each right or wrong: Wilson's interval, McNemar's test, Tango's interval of the drop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from compiler.metrics.mcnemar import mcnemar_p
from compiler.metrics.tango import tango_interval
from compiler.metrics.wilson import wilson_interval
from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof, Interval, PairedProof


@dataclass(frozen=True)
class Shares:
    """``right`` [samples] says which answers are."""

    right: NDArray[np.bool_]

    @property
    def correct(self) -> int:
        """How many answers are right."""
        return int(np.count_nonzero(self.right))

    @property
    def value(self) -> float:
        """The share of right answers."""
        return self.correct / len(self.right)

    def proof(self, metric: Metric) -> AccuracyProof:
        """The share with Wilson's interval."""
        low, high = wilson_interval(self.correct, len(self.right))
        return AccuracyProof(
            metric=metric,
            correct=self.correct,
            samples=len(self.right),
            value=self.value,
            low=low,
            high=high,
            interval=Interval.WILSON,
        )

    def of(self, chosen: NDArray[np.intp]) -> Self:
        """Those samples alone."""
        return type(self)(self.right[chosen])

    def paired(self, reference: Self) -> PairedProof:
        """The drop in the share, by the samples on which one is right and the other wrong."""
        worse = int(np.count_nonzero(reference.right & ~self.right))
        better = int(np.count_nonzero(self.right & ~reference.right))
        low, high = tango_interval(worse, better, len(self.right))
        return PairedProof(
            drop=(worse - better) / len(self.right),
            low=low,
            high=high,
            worse=worse,
            better=better,
            p_value=mcnemar_p(worse, better),
            test="mcnemar",
        )
