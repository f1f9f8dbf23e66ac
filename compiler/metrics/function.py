"""``function``: a metric that the model's owner wrote, ``FILE.py:NAME`` beside the contract.

Called by the compiler alone, with outputs and targets [samples, ...] and, where it has a parameter ``inputs``, the
model's inputs by name. It gives one number for the set, or one per sample: then the figure is their mean and has an
interval. Higher is better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import LABELS, Dataset
from compiler.metrics import function_process
from compiler.metrics.function_file import FunctionFile
from compiler.metrics.labels import given
from compiler.metrics.means import Means
from compiler.metrics.scored import Scored
from compiler.metrics.single import Single


@dataclass(frozen=True)
class Function:
    """The function decides what labels mean; they may be any numbers, one row per sample."""

    file: FunctionFile

    def targets(self, dataset: Dataset, *, file: str) -> NDArray[np.generic]:
        """The labels as they are."""
        expected = f"numbers for {dataset.samples} samples, as {self.file.name} takes them"
        return given(dataset, expected, f"add them as an array called {LABELS!r}", file=file)

    def targets_of(self, reference: NDArray[np.generic]) -> NDArray[np.generic]:
        """The fp32 model's own outputs."""
        return reference

    def score(self, outputs: NDArray[np.generic], targets: NDArray[np.generic], dataset: Dataset) -> Scored:
        """What the function says, in a process of its own.

        Raises:
            InvalidInputError: the function raised, hung, or gave no such numbers.

        """
        result = function_process.call(self.file, outputs, targets, dataset.arrays)
        if result.ndim:
            return Means(result, lower_is_better=False)

        def again(chosen: NDArray[np.intp]) -> float:
            inputs = _rows(dataset.arrays, chosen)
            return float(function_process.call(self.file, outputs[chosen], targets[chosen], inputs).mean())

        return Single(float(result), len(outputs), again)


def _rows(arrays: Mapping[str, NDArray[np.generic]], chosen: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
    return {name: array[chosen] for name, array in arrays.items()}
