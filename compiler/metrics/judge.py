"""The contract's metric over one evaluation set: what every figure of accuracy is made by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset
from compiler.metrics.auc import Auc
from compiler.metrics.cosine import Cosine
from compiler.metrics.exact_match import ExactMatch
from compiler.metrics.function import Function
from compiler.metrics.function_file import read_function
from compiler.metrics.mae import Mae
from compiler.metrics.measure import Measure
from compiler.metrics.scored import Scored
from compiler.metrics.top_k import TopK
from edge_bundle.contract import Against, Contract, Metric
from edge_bundle.errors import CompileError
from edge_bundle.proof import AccuracyProof, PairedProof


@dataclass(frozen=True, kw_only=True)
class Judge:
    """``measure`` over ``dataset``; ``right`` is what answers are held against, once that is known."""

    metric: Metric
    measure: Measure
    dataset: Dataset
    right: NDArray[np.generic] | None

    def knowing(self, reference: NDArray[np.generic]) -> Judge:
        """The same, with the fp32 model's outputs [samples, ...], which the contract may hold answers against."""
        return self if self.right is not None else replace(self, right=self.measure.targets_of(reference))

    @property
    def function_digest(self) -> str | None:
        """The digest of a user's metric; ``None`` for the others."""
        return self.measure.file.digest if isinstance(self.measure, Function) else None

    def score(self, outputs: NDArray[np.generic]) -> Scored:
        """Outputs [samples, ...] of a model for the whole set.

        Raises:
            InvalidInputError: the user's function failed.

        """
        if self.right is None:
            raise CompileError(
                stage="prove", detail="expected the fp32 model's outputs to hold answers against, got none"
            )
        return self.measure.score(outputs, self.right, self.dataset)

    def accuracy(self, scored: Scored) -> AccuracyProof:
        """The value with its interval."""
        return scored.proof(self.metric)

    def slices(self, scored: Scored) -> dict[str, AccuracyProof]:
        """The same of each slice, sorted by name; empty without slices."""
        names = np.asarray(self.dataset.slices)
        return {name: self.accuracy(scored.of(np.flatnonzero(names == name))) for name in sorted(set(names.tolist()))}

    def paired(self, scored: Scored, reference: Scored) -> PairedProof | None:
        """A variant against the fp32 model, sample by sample; ``None`` where the metric gives one number only."""
        return scored.paired(reference)


def open_measure(contract: Contract, *, folder: Path, file: str) -> Measure:
    """The contract's metric; ``folder`` holds a user's function, ``file`` names the contract in errors.

    Raises:
        InvalidInputError: the scored output does not suit the metric, or the function's file is wrong.

    """
    target = contract.accuracy
    rule = contract.scored
    match target.metric:
        case Metric.TOP1 | Metric.TOP_K:
            return TopK.of(target.k or 1, rule, file=file)
        case Metric.AUC:
            return Auc.of(rule, file=file)
        case Metric.MAE:
            return Mae(rule)
        case Metric.COSINE:
            return Cosine(rule)
        case Metric.EXACT_MATCH:
            return ExactMatch(rule)
        case Metric.FUNCTION:
            return Function(read_function(target.function or "", folder))


def open_judge(contract: Contract, measure: Measure, dataset: Dataset, *, file: str) -> Judge:
    """The metric over a set; ``file`` names the set in errors.

    Raises:
        InvalidInputError: the set lacks the labels that the metric needs, or they do not fit.

    """
    labelled = contract.accuracy.against is Against.LABELS
    right = measure.targets(dataset, file=file) if labelled else None
    return Judge(metric=contract.accuracy.metric, measure=measure, dataset=dataset, right=right)
