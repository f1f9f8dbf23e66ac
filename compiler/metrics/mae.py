"""``mae``: the mean absolute error of every number of the output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset
from compiler.metrics.means import Means
from compiler.metrics.whole_output import WholeOutput


class Mae(WholeOutput):
    """The output may have any shape; its error is averaged over a sample, then over samples."""

    def score(self, outputs: NDArray[np.generic], targets: NDArray[np.generic], dataset: Dataset) -> Means:  # noqa: ARG002
        """Mean absolute error of each sample, in float64."""
        error = np.abs(outputs.astype(np.float64) - targets.astype(np.float64))
        return Means(error.reshape(len(error), -1).mean(axis=1), lower_is_better=True)
