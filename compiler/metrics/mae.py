"""``mae``: the mean absolute error of every number of the output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset, row_shape
from compiler.metrics.labels import values
from compiler.metrics.means import Means
from edge_bundle.contract import TensorRule


@dataclass(frozen=True)
class Mae:
    """The output may have any shape; its error is averaged over a sample, then over samples."""

    rule: TensorRule

    def targets(self, dataset: Dataset, *, file: str) -> NDArray[np.generic]:
        """Numbers of the output's shape."""
        return values(dataset, row_shape(self.rule), file=file)

    def targets_of(self, reference: NDArray[np.generic]) -> NDArray[np.generic]:
        """The fp32 model's own outputs."""
        return reference

    def score(self, outputs: NDArray[np.generic], targets: NDArray[np.generic], dataset: Dataset) -> Means:  # noqa: ARG002
        """Mean absolute error of each sample, in float64."""
        error = np.abs(outputs.astype(np.float64) - targets.astype(np.float64))
        return Means(error.reshape(len(error), -1).mean(axis=1), lower_is_better=True)
