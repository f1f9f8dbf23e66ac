"""``top1`` and ``top-k``: the share of samples whose label is among the ``k`` highest scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset
from compiler.metrics.classes import by_class, class_count, first_class
from compiler.metrics.labels import class_numbers
from compiler.metrics.shares import Shares
from edge_bundle.contract import TensorRule
from edge_bundle.errors import InvalidInputError


@dataclass(frozen=True)
class TopK:
    """Of ``classes`` scores, the label's is one of the ``k`` highest; of equal scores the first class is the higher."""

    k: int
    classes: int

    @classmethod
    def of(cls, k: int, rule: TensorRule, *, file: str) -> TopK:
        """For the contract's output.

        Raises:
            InvalidInputError: the output is no row of scores, or has only one, or fewer than ``k``.

        """
        classes = class_count(rule, file=file)
        if classes == 1:
            raise InvalidInputError(
                file=file,
                key="accuracy.metric",
                expected=f"a metric that fits the one number of {rule.name!r}",
                got="one that looks for the highest of several scores",
                advice="take auc for a score of yes or no, mae for a quantity",
            )
        if k > classes:
            expected = f"at most {classes}, the classes of {rule.name!r}"
            raise InvalidInputError(file=file, key="accuracy.k", expected=expected, got=str(k))
        return cls(k, classes)

    def targets(self, dataset: Dataset, *, file: str) -> NDArray[np.generic]:
        """Class numbers [samples]."""
        return class_numbers(dataset, self.classes, file=file)

    def targets_of(self, reference: NDArray[np.generic]) -> NDArray[np.generic]:
        """The class that the fp32 model puts first."""
        return first_class(reference)

    def score(self, outputs: NDArray[np.generic], targets: NDArray[np.generic], dataset: Dataset) -> Shares:  # noqa: ARG002
        """Whether fewer than ``k`` classes come before the label."""
        scores = by_class(outputs)
        at_label = np.take_along_axis(scores, targets[:, None].astype(np.intp), axis=1)
        earlier = np.arange(scores.shape[1]) < targets[:, None].astype(np.intp)
        before = (scores > at_label) | ((scores == at_label) & earlier)  # type: ignore[operator]
        return Shares(np.count_nonzero(before, axis=1) < self.k)
