"""What the variants of a release share when their figures are measured again, read and checked once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from compiler.dataset import load_calibration, load_evaluation
from compiler.importer import model_file
from compiler.measuring.runner import reference_scores
from compiler.metrics.judge import Judge, open_judge, open_measure
from compiler.passes.import_model import import_graph
from compiler.progress import Progress
from edge_bundle.contract import Contract
from edge_bundle.digest import check_digest
from edge_bundle.errors import DigestMismatchError
from edge_bundle.walk import VerifiedRelease, VerifiedVariant


class RecomputeInputs:
    """The evaluation set with the contract's metric over it, and the source model's outputs for it."""

    def __init__(
        self,
        release: VerifiedRelease,
        evaluation_path: Path,
        model_path: Path | None,
        calibration_path: Path | None,
        progress: Progress,
    ) -> None:
        self._evaluation_path, self._model_path, self._calibration_path = evaluation_path, model_path, calibration_path
        self._metric_digest, self._progress = release.provenance.digests.get("metric"), progress
        self._judges: dict[Contract, Judge] = {}
        self._references: dict[tuple[Contract, str], NDArray[Any]] = {}
        self._calibrations: dict[Contract, str] = {}

    def judge(self, variant: VerifiedVariant) -> Judge:
        """The contract's metric over the evaluation set that the variant was proven on.

        Raises:
            DigestMismatchError: the set or the user's metric is another.
            InvalidInputError: the set does not fit the contract.

        """
        contract, path = variant.contract, self._evaluation_path
        if contract not in self._judges:
            measure = open_measure(contract, folder=path.parent, file="contract")
            dataset = load_evaluation(path, contract.inputs)
            self._judges[contract] = open_judge(contract, measure, dataset, file=str(path))
        judge = self._judges[contract]
        dataset = judge.dataset
        if dataset.digest != variant.proof.evaluation_digest:
            raise DigestMismatchError(
                subject=f"evaluation set {path}",
                expected=variant.proof.evaluation_digest,
                got=dataset.digest,
                advice="give the very file that the release was proven on",
            )
        if judge.function_digest != self._metric_digest:
            raise DigestMismatchError(
                subject=f"metric {variant.contract.accuracy.function}",
                expected=self._metric_digest or "no function",
                got=judge.function_digest or "no function",
                advice="put the very file that the release was proven with beside the evaluation set",
            )
        return judge

    def reference(self, variant: VerifiedVariant) -> NDArray[Any] | None:
        """Outputs of the source model in fp32, or ``None`` if it was not given.

        Raises:
            DigestMismatchError: another model.

        """
        if self._model_path is None:
            return None
        key = (variant.contract, variant.manifest.model_digest)
        if key not in self._references:
            self._references[key] = self._score(variant, self._model_path)
        return self._references[key]

    def calibration_digest(self, variant: VerifiedVariant) -> str | None:
        """Of the calibration set, or ``None`` if it was not given.

        Raises:
            InvalidInputError: the set does not fit the contract.

        """
        path, contract = self._calibration_path, variant.contract
        if path is None:
            return None
        if contract not in self._calibrations:
            self._calibrations[contract] = load_calibration(path, contract.inputs).digest
        return self._calibrations[contract]

    def _score(self, variant: VerifiedVariant, model_path: Path) -> NDArray[Any]:
        dataset = self.judge(variant).dataset
        model = model_file.read_file(model_path)
        check_digest(model, variant.manifest.model_digest, subject=f"model {model_path}")
        graph = import_graph(model, variant.contract, file="contract")
        self._progress.start("recompute fp32 reference", dataset.samples)
        scores = reference_scores(graph.model, variant.contract, dataset, on_sample=self._progress.advance)
        self._progress.done()
        return scores
