"""``skerry verify --recompute``: measure a verified release again and compare with what was signed.

A variant whose runtime is missing here keeps its signed figures, with the reason; the others are measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from compiler.measuring.determinism import look_for_differences, plan_of
from compiler.measuring.latency import measure_latency
from compiler.measuring.runner import score
from compiler.metrics.agreement import agreement
from compiler.metrics.judge import Judge
from compiler.progress import Progress, Silent
from compiler.recomputing.inputs import RecomputeInputs
from compiler.recomputing.recomputed import Circumstances, Figures, Row, compare, not_recomputed
from compiler.request import MIN_LATENCY_RUNS
from compiler.toolchain import versions
from edge_bundle.errors import EngineError
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import Execution
from edge_bundle.walk import VerifiedRelease, VerifiedVariant
from edge_runtime.engine import Engine, EngineSource
from edge_runtime.factory import open_engine, source_of
from edge_runtime.trial import try_out
from hardware_profiles.detect import detect
from hardware_profiles.same_host import same_machine


def recompute(
    release: VerifiedRelease,
    evaluation_path: Path,
    *,
    model_path: Path | None = None,
    calibration_path: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Row, ...]:
    """Measure every variant in ``release.variants`` again. What is held against fp32 needs the source model.

    Raises:
        DigestMismatchError: the evaluation set, the model or the user's metric is not what the proofs are about.
        InvalidInputError: a set does not fit the contract.

    """
    shown = progress or Silent()
    inputs = RecomputeInputs(release, evaluation_path, model_path, calibration_path, shown)
    rows: list[Row] = []
    for _, variant in sorted(release.variants.items()):
        judge, reference = inputs.judge(variant), inputs.reference(variant)
        rows.extend(_of_files(variant, judge, reference is not None, inputs.calibration_digest(variant)))
        shown.start(f"recompute {variant.proof.profile}", judge.dataset.samples)
        rows.extend(_of_runs(variant, judge, reference, shown))
        shown.done()
    return tuple(rows)


def _of_files(variant: VerifiedVariant, judge: Judge, has_model: bool, calibration: str | None) -> Iterator[Row]:
    """What digests and sizes say. That the evaluation set and the model are the right ones was checked before."""
    proof = variant.proof

    def row(figure: str, signed: float | str, got: float | str | None, note: str = "") -> Row:
        ok = None if got is None else got == signed
        return Row(profile=proof.profile, figure=figure, signed=signed, recomputed=got, ok=ok, note=note)

    yield row("artifact bytes", proof.artifact_bytes, sum(map(len, variant.files.values())))
    yield row("evaluation set", proof.evaluation_digest, judge.dataset.digest)
    model = variant.manifest.model_digest
    yield row("model", model, model if has_model else None, "" if has_model else "not recomputed: needs --model")
    if proof.quantization and proof.quantization.calibration_digest:
        note = "" if calibration else "not recomputed: needs --calibration"
        yield row("calibration set", proof.quantization.calibration_digest, calibration, note)


def _of_runs(
    variant: VerifiedVariant, judge: Judge, reference: NDArray[Any] | None, progress: Progress
) -> tuple[Row, ...]:
    """What running the variant says. A runtime that opens it and then fails is a figure that does not hold."""
    proof, source = variant.proof, source_of(variant.manifest, variant.files)
    try:
        try_out(source, variant.goldens[0].inputs)
    except EngineError as error:
        return (_does_not_run(proof.profile, error),)
    try:
        engine = open_engine(source)
    except EngineError as error:
        return not_recomputed(proof, f"{error} ({error.advice})" if error.advice else str(error))
    try:
        with engine:
            around = _circumstances(variant, engine)
            return compare(proof, measure(variant, engine, source, judge, reference, progress), around)
    except EngineError as error:
        return (_does_not_run(proof.profile, error),)


def _does_not_run(profile: str, error: EngineError) -> Row:
    return Row(profile=profile, figure="runs", signed=True, recomputed=False, ok=False, note=str(error))


def measure(
    variant: VerifiedVariant,
    engine: Engine,
    source: EngineSource,
    judge: Judge,
    reference: NDArray[Any] | None,
    progress: Progress,
) -> Figures:
    """Run the variant's own files, as an agent would.

    Raises:
        EngineError: a run fails.

    """
    dataset = judge.dataset
    outputs = score(engine, dataset, variant.contract.scored, runtime=source.runtime, on_sample=progress.advance)
    judge = judge if reference is None else judge.knowing(reference)
    scored = judge.score(outputs) if judge.right is not None else None
    found = look_for_differences(engine, source, dataset, plan_of(variant.proof.determinism, cores=detect().cores))
    timed = variant.proof.measured_on.execution is Execution.DEVICE
    return Figures(
        accuracy=judge.accuracy(scored) if scored else None,
        slices=judge.slices(scored) if scored else {},
        paired=judge.paired(scored, judge.score(reference)) if scored and reference is not None else None,
        agreement=None if reference is None else agreement(outputs, reference, variant.contract.accuracy.metric),
        determinism=found.proof,
        placement=engine.placement,
        peak_rss_bytes=found.peak_rss_bytes,
        latency=measure_latency(engine, dataset, runs=MIN_LATENCY_RUNS) if timed else None,
    )


def _circumstances(variant: VerifiedVariant, engine: Engine) -> Circumstances:
    """An emulator's bits are the same where its host's are; ONNX Runtime runs the fp32 model."""
    manifest, measured = variant.manifest, variant.proof.measured_on
    machine = same_machine(measured)
    same = machine and (measured.runtime_version, measured.threads) == (engine.runtime_version, manifest.threads)
    same_bits = same or manifest.numeric_class is NumericClass.PORTABLE_EXACT
    same_onnxruntime = manifest.toolchain.get("onnxruntime") == versions()["onnxruntime"]
    return Circumstances(
        same_bits=same_bits, same_reference=same_bits and machine and same_onnxruntime, same_machine=same
    )
