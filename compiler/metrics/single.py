"""One number for a whole set, by a function that shows nothing of single samples: no interval, no paired test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof, Interval, PairedProof


@dataclass(frozen=True)
class Single:
    """``value`` over ``samples``; ``again`` gives it for the samples at some indices alone."""

    value: float
    samples: int
    again: Callable[[NDArray[np.intp]], float]

    def proof(self, metric: Metric) -> AccuracyProof:
        """The value alone."""
        return AccuracyProof(
            metric=metric,
            samples=self.samples,
            value=self.value,
            low=self.value,
            high=self.value,
            interval=Interval.NONE,
        )

    def of(self, chosen: NDArray[np.intp]) -> Self:
        """Those samples alone."""
        return type(self)(self.again(chosen), len(chosen), lambda inner: self.again(chosen[inner]))

    def paired(self, reference: Self) -> PairedProof | None:  # noqa: ARG002 - as Scored says
        """Nothing can be paired."""
        return None
