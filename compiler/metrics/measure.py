"""How one metric looks at a model's scored output."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset
from compiler.metrics.scored import Scored


class Measure(Protocol):
    """A metric, made for the scored output of one contract. ``outputs`` have one row per sample: [samples, ...]."""

    def targets(self, dataset: Dataset, *, file: str) -> NDArray[np.generic]:
        """What the evaluation set says is right, one row per sample.

        Raises:
            InvalidInputError: the set lacks the labels that the metric needs, or they do not fit; ``file`` names it.

        """

    def targets_of(self, reference: NDArray[np.generic]) -> NDArray[np.generic]:
        """What the fp32 model's outputs say is right."""

    def score(self, outputs: NDArray[np.generic], targets: NDArray[np.generic], dataset: Dataset) -> Scored:
        """Outputs held against targets; ``dataset`` has the inputs they belong to."""
