"""``skerry verify --recompute``: measure a verified release again and compare with what was signed.

Accuracy and agreement are compared exactly: a ``host-exact`` variant gives the same bits on the same kind of device,
runtime version and thread count. Latency depends on the moment and is shown without a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from compiler.dataset import Dataset, check_labels, load_evaluation
from compiler.determinism import look_for_differences, plan_of
from compiler.importer import model_file
from compiler.latency import measure_latency
from compiler.passes.import_model import import_graph
from compiler.progress import Progress, Silent
from compiler.request import MIN_LATENCY_RUNS
from compiler.runner import reference_scores, score
from compiler.scoring import accuracy, accuracy_by_slice, agreement, class_count
from edge_bundle.contract import Contract
from edge_bundle.digest import check_digest
from edge_bundle.errors import DigestMismatchError
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import AccuracyProof, AgreementProof, DeterminismProof, LatencyProof, Proof
from edge_bundle.walk import VerifiedRelease, VerifiedVariant
from edge_runtime.factory import open_engine, source_of


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure. ``ok`` is ``None`` where it is shown but not judged; a figure that one side lacks is ``None``."""

    profile: str
    figure: str
    signed: float | bool | None
    recomputed: float | bool | None
    ok: bool | None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured anew of one variant."""

    accuracy: AccuracyProof
    slices: dict[str, AccuracyProof]
    agreement: AgreementProof | None
    determinism: DeterminismProof
    peak_rss_bytes: int
    latency: LatencyProof | None


def recompute(
    release: VerifiedRelease,
    evaluation_path: Path,
    *,
    model_path: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Row, ...]:
    """Measure every variant in ``release.variants`` again. Agreement needs the source model.

    Raises:
        DigestMismatchError: the evaluation set or the model is not the one that the proofs are about.
        InvalidInputError: the evaluation set does not fit the contract.
        RuntimeMissingError, EngineError: a variant's runtime is missing here or fails.

    """
    known = _Known(evaluation_path, model_path, progress or Silent())
    rows: list[Row] = []
    for _, variant in sorted(release.variants.items()):
        rows.extend(_recompute_variant(variant, known, progress or Silent()))
    return tuple(rows)


def compare(proof: Proof, figures: Figures) -> tuple[Row, ...]:
    """The signed figures beside the new ones."""
    return tuple(_rows(proof, figures))


class _Known:
    """What the variants of a release share, made once: the evaluation set, and the scores of the source model on it."""

    def __init__(self, evaluation_path: Path, model_path: Path | None, progress: Progress) -> None:
        self._evaluation_path, self._model_path, self._progress = evaluation_path, model_path, progress
        self._datasets: dict[Contract, Dataset] = {}
        self._references: dict[tuple[Contract, str], NDArray[Any]] = {}

    def dataset(self, variant: VerifiedVariant) -> Dataset:
        """The evaluation set that the variant was proven on."""
        contract, path = variant.contract, self._evaluation_path
        if contract not in self._datasets:
            self._datasets[contract] = load_evaluation(path, contract.inputs)
        dataset = self._datasets[contract]
        if dataset.digest != variant.proof.evaluation_digest:
            raise DigestMismatchError(
                subject=f"evaluation set {path}",
                expected=variant.proof.evaluation_digest,
                got=dataset.digest,
                advice="give the very file that the release was proven on",
            )
        check_labels(dataset, classes=class_count(contract, file="contract"), file=str(path))
        return dataset

    def reference(self, variant: VerifiedVariant) -> NDArray[Any] | None:
        """Scores of the source model in fp32, or ``None`` if it was not given."""
        if self._model_path is None:
            return None
        key = (variant.contract, variant.manifest.model_digest)
        if key not in self._references:
            self._references[key] = self._score(variant, self._model_path)
        return self._references[key]

    def _score(self, variant: VerifiedVariant, model_path: Path) -> NDArray[Any]:
        dataset = self.dataset(variant)
        model = model_file.read_file(model_path)
        check_digest(model, variant.manifest.model_digest, subject=f"model {model_path}")
        graph = import_graph(model, variant.contract, file="contract")
        self._progress.start("recompute fp32 reference", dataset.samples)
        scores = reference_scores(graph.model, variant.contract, dataset, on_sample=self._progress.advance)
        self._progress.done()
        return scores


def _recompute_variant(variant: VerifiedVariant, known: _Known, progress: Progress) -> tuple[Row, ...]:
    dataset, reference = known.dataset(variant), known.reference(variant)
    progress.start(f"recompute {variant.proof.profile}", dataset.samples)
    figures = measure(variant, dataset, reference, progress)
    progress.done()
    return compare(variant.proof, figures)


def measure(variant: VerifiedVariant, dataset: Dataset, reference: NDArray[Any] | None, progress: Progress) -> Figures:
    """Run the variant's own files, as an agent would."""
    source = source_of(variant.manifest, variant.files)
    with open_engine(source) as engine:
        scores = score(engine, dataset, variant.contract.accuracy.output, on_sample=progress.advance)
        found = look_for_differences(engine, source, dataset, plan_of(variant.proof.determinism))
        return Figures(
            accuracy=accuracy(scores, dataset.labels),
            slices=accuracy_by_slice(scores, dataset.labels, dataset.slices),
            agreement=None if reference is None else agreement(scores, reference),
            determinism=found.proof,
            peak_rss_bytes=found.peak_rss_bytes,
            latency=measure_latency(engine, dataset, runs=MIN_LATENCY_RUNS),
        )


def _rows(proof: Proof, figures: Figures) -> Iterator[Row]:
    profile = proof.profile

    def exact(figure: str, signed: float | bool | None, got: float | bool | None) -> Row:
        ok = None if got is None else got == signed
        return Row(profile=profile, figure=figure, signed=signed, recomputed=got, ok=ok)

    def shown(figure: str, signed: float, got: float) -> Row:
        return Row(profile=profile, figure=figure, signed=signed, recomputed=got, ok=None)

    yield exact("samples", proof.accuracy.samples, figures.accuracy.samples)
    yield exact("correct", proof.accuracy.correct, figures.accuracy.correct)
    yield exact("accuracy", proof.accuracy.value, figures.accuracy.value)
    yield exact("accuracy low", proof.accuracy.low, figures.accuracy.low)
    yield exact("accuracy high", proof.accuracy.high, figures.accuracy.high)
    for name in sorted(proof.slices.keys() | figures.slices.keys()):
        yield _slice_row(profile, name, proof.slices.get(name), figures.slices.get(name))
    again = figures.agreement
    yield exact("agreement", proof.agreement.top1, again.top1 if again else None)
    yield exact("largest difference", proof.agreement.max_abs_diff, again.max_abs_diff if again else None)
    if proof.numeric_class is not NumericClass.APPROXIMATE:
        yield exact("deterministic", proof.deterministic, figures.determinism.repeatable)
    if proof.latency and figures.latency:
        yield shown("p50 us", proof.latency.p50_us, figures.latency.p50_us)
        yield shown("p99 us", proof.latency.p99_us, figures.latency.p99_us)


def _slice_row(profile: str, name: str, signed: AccuracyProof | None, got: AccuracyProof | None) -> Row:
    return Row(
        profile=profile,
        figure=f"accuracy of {name}",
        signed=signed.value if signed else None,
        recomputed=got.value if got else None,
        ok=signed == got,
    )
