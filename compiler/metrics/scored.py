"""What a metric makes of a set of answers: a value, its interval, and how it compares with another set's."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof, PairedProof


class Scored(Protocol):
    """Answers of one model for some samples, scored."""

    @property
    def value(self) -> float:
        """The metric over all samples, in its own unit."""

    def proof(self, metric: Metric) -> AccuracyProof:
        """The value with its 95 % interval."""

    def of(self, chosen: NDArray[np.intp]) -> Self:
        """The same for the samples at these indices alone."""

    def paired(self, reference: Self) -> PairedProof | None:
        """These answers against the reference's for the same samples; ``None`` where samples cannot be told apart."""
