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

from compiler.dataset import load_evaluation
from compiler.determinism import look_for_differences, plan_of
from compiler.importer import model_file
from compiler.latency import measure_latency
from compiler.metrics.agreement import agreement
from compiler.metrics.judge import Judge, open_judge, open_measure
from compiler.passes.import_model import import_graph
from compiler.progress import Progress, Silent
from compiler.request import MIN_LATENCY_RUNS
from compiler.runner import reference_scores, score
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
    """What was measured anew of one variant; no accuracy where answers are held against a model that was not given."""

    accuracy: AccuracyProof | None
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
        DigestMismatchError: the evaluation set, the model or the user's metric is not what the proofs are about.
        InvalidInputError: the evaluation set does not fit the contract.
        RuntimeMissingError, EngineError: a variant's runtime is missing here or fails.

    """
    metric_digest = release.provenance.digests.get("metric")
    known = _Known(evaluation_path, model_path, metric_digest, progress or Silent())
    rows: list[Row] = []
    for _, variant in sorted(release.variants.items()):
        rows.extend(_recompute_variant(variant, known, progress or Silent()))
    return tuple(rows)


def compare(proof: Proof, figures: Figures) -> tuple[Row, ...]:
    """The signed figures beside the new ones."""
    return tuple(_rows(proof, figures))


class _Known:
    """What the variants of a release share, made once: the evaluation set, and the scores of the source model on it."""

    def __init__(
        self, evaluation_path: Path, model_path: Path | None, metric_digest: str | None, progress: Progress
    ) -> None:
        self._evaluation_path, self._model_path = evaluation_path, model_path
        self._metric_digest, self._progress = metric_digest, progress
        self._judges: dict[Contract, Judge] = {}
        self._references: dict[tuple[Contract, str], NDArray[Any]] = {}

    def judge(self, variant: VerifiedVariant) -> Judge:
        """The contract's metric over the evaluation set that the variant was proven on."""
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
        """Scores of the source model in fp32, or ``None`` if it was not given."""
        if self._model_path is None:
            return None
        key = (variant.contract, variant.manifest.model_digest)
        if key not in self._references:
            self._references[key] = self._score(variant, self._model_path)
        return self._references[key]

    def _score(self, variant: VerifiedVariant, model_path: Path) -> NDArray[Any]:
        dataset = self.judge(variant).dataset
        model = model_file.read_file(model_path)
        check_digest(model, variant.manifest.model_digest, subject=f"model {model_path}")
        graph = import_graph(model, variant.contract, file="contract")
        self._progress.start("recompute fp32 reference", dataset.samples)
        scores = reference_scores(graph.model, variant.contract, dataset, on_sample=self._progress.advance)
        self._progress.done()
        return scores


def _recompute_variant(variant: VerifiedVariant, known: _Known, progress: Progress) -> tuple[Row, ...]:
    judge, reference = known.judge(variant), known.reference(variant)
    progress.start(f"recompute {variant.proof.profile}", judge.dataset.samples)
    figures = measure(variant, judge, reference, progress)
    progress.done()
    return compare(variant.proof, figures)


def measure(variant: VerifiedVariant, judge: Judge, reference: NDArray[Any] | None, progress: Progress) -> Figures:
    """Run the variant's own files, as an agent would."""
    source, dataset = source_of(variant.manifest, variant.files), judge.dataset
    with open_engine(source) as engine:
        outputs = score(engine, dataset, variant.contract.scored, on_sample=progress.advance)
        judge = judge if reference is None else judge.knowing(reference)
        scored = judge.score(outputs) if judge.right is not None else None
        found = look_for_differences(engine, source, dataset, plan_of(variant.proof.determinism))
        return Figures(
            accuracy=judge.accuracy(scored) if scored else None,
            slices=judge.slices(scored) if scored else {},
            agreement=None if reference is None else agreement(outputs, reference),
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

    got = figures.accuracy
    yield exact("samples", proof.accuracy.samples, got.samples if got else None)
    if proof.accuracy.correct is not None:
        yield exact("correct", proof.accuracy.correct, got.correct if got else None)
    yield exact("accuracy", proof.accuracy.value, got.value if got else None)
    yield exact("accuracy low", proof.accuracy.low, got.low if got else None)
    yield exact("accuracy high", proof.accuracy.high, got.high if got else None)
    for name in sorted(proof.slices.keys() | figures.slices.keys()) if got else ():
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
