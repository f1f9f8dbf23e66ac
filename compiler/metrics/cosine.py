"""``cosine``: the mean cosine similarity of the output, as one vector per sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset
from compiler.metrics.means import Means
from compiler.metrics.whole_output import WholeOutput


class Cosine(WholeOutput):
    """The output may have any shape."""

    def score(self, outputs: NDArray[np.generic], targets: NDArray[np.generic], dataset: Dataset) -> Means:  # noqa: ARG002
        """The similarity of each sample."""
        return Means(similarities(outputs, targets), lower_is_better=False)


def similarities(outputs: NDArray[np.generic], targets: NDArray[np.generic]) -> NDArray[np.float64]:
    """Cosine of every row with its target [samples], in float64.

    Two rows of zeros agree (1); one of zeros and one of others do not (0).
    """
    got, want = (_unit_scaled(array) for array in (outputs, targets))
    lengths = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
    cosines = (got * want).sum(axis=1) / np.where(lengths > 0.0, lengths, 1.0)
    same = np.where((got == want).all(axis=1), 1.0, 0.0)
    return np.where(lengths > 0.0, np.clip(cosines, -1.0, 1.0), same)


def _unit_scaled(array: NDArray[np.generic]) -> NDArray[np.float64]:
    """Rows divided by their largest magnitude, so that squares neither overflow nor vanish; the angle stays."""
    rows = array.reshape(len(array), -1).astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    return np.asarray(rows / np.where(largest > 0.0, largest, 1.0))
