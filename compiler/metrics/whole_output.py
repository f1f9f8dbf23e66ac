"""What metrics share that hold the whole output, whatever its shape, against labels of that shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset, row_shape
from compiler.metrics.labels import values
from edge_bundle.contract import TensorRule


@dataclass(frozen=True)
class WholeOutput:
    """The part of a ``Measure`` that says what is right."""

    rule: TensorRule

    def targets(self, dataset: Dataset, *, file: str) -> NDArray[np.generic]:
        """Numbers of the output's shape."""
        return values(dataset, row_shape(self.rule), file=file)

    def targets_of(self, reference: NDArray[np.generic]) -> NDArray[np.generic]:
        """The fp32 model's own outputs."""
        return reference
