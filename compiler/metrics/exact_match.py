"""``exact-match``: the share of samples whose whole output equals the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset, row_shape
from compiler.metrics.labels import values
from compiler.metrics.shares import Shares
from edge_bundle.contract import TensorRule


@dataclass(frozen=True)
class ExactMatch:
    """The output may have any shape and dtype; labels are compared as values of its dtype."""

    rule: TensorRule

    def targets(self, dataset: Dataset, *, file: str) -> NDArray[np.generic]:
        """Numbers of the output's shape."""
        return values(dataset, row_shape(self.rule), file=file)

    def targets_of(self, reference: NDArray[np.generic]) -> NDArray[np.generic]:
        """The fp32 model's own outputs."""
        return reference

    def score(self, outputs: NDArray[np.generic], targets: NDArray[np.generic], dataset: Dataset) -> Shares:  # noqa: ARG002
        """Whether every number of a sample is equal."""
        # A float label means the nearest value that the output can hold; an integer output never equals 0.5.
        with np.errstate(over="ignore"):  # beyond FP16 it becomes infinite, which no output is
            wanted = targets.astype(outputs.dtype) if outputs.dtype.kind == "f" else targets
        return Shares((outputs == wanted).reshape(len(outputs), -1).all(axis=1))
