"""``auc``: the area under the ROC curve of an output that tells two classes apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import LABELS, SLICE, Dataset
from compiler.metrics.classes import by_class, class_count
from compiler.metrics.labels import class_numbers
from compiler.metrics.ranking import Ranking
from edge_bundle.contract import TensorRule
from edge_bundle.errors import InvalidInputError

CLASSES = 2
"""Labels are 0 and 1; the score is that of 1."""


@dataclass(frozen=True)
class Auc:
    """The output is one number per sample, or one for each of two classes."""

    @classmethod
    def of(cls, rule: TensorRule, *, file: str) -> Auc:
        """For the contract's output.

        Raises:
            InvalidInputError: it has more than two numbers per sample.

        """
        if class_count(rule, file=file) > CLASSES:
            raise InvalidInputError(
                file=file,
                key="accuracy.output",
                expected="an output of one number per sample, or of two classes",
                got=f"{rule.name!r} of shape {list(rule.shape)}",
                advice="write one-against-rest areas as a function of your own",
            )
        return cls()

    def targets(self, dataset: Dataset, *, file: str) -> NDArray[np.generic]:
        """Labels 0 and 1 [samples], both there, in every slice too."""
        labels = class_numbers(dataset, CLASSES, file=file)
        _both(labels, LABELS, "both labels, 0 and 1", "", file)
        names = np.asarray(dataset.slices)
        for name in sorted(set(dataset.slices)):
            chosen = labels[names == name]
            _both(chosen, SLICE, "both labels, 0 and 1, in every slice", f" in {name!r} ({len(chosen)} samples)", file)
        return labels

    def targets_of(self, reference: NDArray[np.generic]) -> NDArray[np.generic]:
        """The class that the fp32 model leans to: whether its score is above zero (contracts ask for labels)."""
        return (_scores(reference) > 0.0).astype(np.int64)

    def score(self, outputs: NDArray[np.generic], targets: NDArray[np.generic], dataset: Dataset) -> Ranking:  # noqa: ARG002
        """Scores of class 1; of two columns, how far the second is above the first."""
        return Ranking(_scores(outputs), targets == 1)


def _scores(outputs: NDArray[np.generic]) -> NDArray[np.float64]:
    columns = by_class(outputs).astype(np.float64)
    return columns[:, 0] if columns.shape[1] == 1 else columns[:, 1] - columns[:, 0]


def _both(labels: NDArray[np.int64], key: str, expected: str, where: str, file: str) -> None:
    found = set(labels.tolist())
    if len(found) < CLASSES:
        raise InvalidInputError(
            file=file,
            key=key,
            expected=expected,
            got=f"only label {found.pop()}{where}",
            advice="an area under the ROC curve compares samples of both classes: add some, or join slices",
        )
