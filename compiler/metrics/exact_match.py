"""``exact-match``: the share of samples whose whole output equals the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset
from compiler.metrics.shares import Shares
from compiler.metrics.whole_output import WholeOutput


class ExactMatch(WholeOutput):
    """The output may have any shape and dtype; labels are compared as values of its dtype."""

    def score(self, outputs: NDArray[np.generic], targets: NDArray[np.generic], dataset: Dataset) -> Shares:  # noqa: ARG002
        """Whether every number of a sample is equal."""
        # A float label means the nearest value that the output can hold; an integer output never equals 0.5.
        with np.errstate(over="ignore"):  # beyond FP16 it becomes infinite, which no output is
            wanted = targets.astype(outputs.dtype) if outputs.dtype.kind == "f" else targets
        return Shares((outputs == wanted).reshape(len(outputs), -1).all(axis=1))
