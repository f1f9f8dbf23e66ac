"""Pass 8, prove: run every variant on the evaluation set and hold it against the contract.

Requires: lowered variants whose runtimes are installed here; a labelled evaluation set.
Ensures:
    1. one ``Measured`` per profile, with accuracy, agreement, latency, memory and determinism;
    2. accuracy and latency keep the contract's promises;
    3. a numeric class other than ``approximate`` only if no bit changed between repeats, engines and processes (and the
       profile claims it).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from compiler.attempts import attempt, refuse, remaining
from compiler.compilation import Compilation, Measured, Reference, Refusal, Sources, need
from compiler.fresh_process import digest_outputs, run_in_fresh_process
from compiler.goldens import golden_inputs, make_goldens
from compiler.latency import measure_latency
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from compiler.promises import check_accuracy, check_latency
from compiler.request import CompileRequest
from compiler.runner import DETERMINISM_REPEATS, DETERMINISM_SAMPLES, is_deterministic, reference_scores, score, tensors
from compiler.scoring import accuracy, accuracy_by_slice, agreement
from compiler.targets.target import Lowered
from compiler.variant_source import source_of_lowered
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import DeterminismProof, MeasuredOn
from edge_runtime.engine import Engine
from edge_runtime.factory import open_engine
from hardware_profiles.detect import detect

NAME = "prove"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Measure the reference, then every variant.

    Raises:
        ContractNotMetError: names the profile, the rule, and by how much it is missed.
        EngineError: a runtime fails on a sample.

    """
    graph = need(state.reference_graph, "imported graph")
    reference = measure_reference(graph.model, state.sources, progress)
    made: list[Measured | Refusal] = []
    for variant in state.lowered:
        work = partial(measure, variant, state.sources, reference, state.request, progress)
        made.append(attempt(state, variant.profile, NAME, work))
    state = refuse(state, [one for one in made if isinstance(one, Refusal)])
    return replace(state, reference=reference, measured=tuple(one for one in made if isinstance(one, Measured)))


def check(state: Compilation) -> None:
    """Rules 1 and 3; rule 2 raises where it is measured."""
    ensure(
        tuple(m.lowered.profile for m in state.measured) == remaining(state),
        stage=NAME,
        promise="one measurement per variant",
    )
    for measured in state.measured:
        exact = measured.numeric_class is not NumericClass.APPROXIMATE
        ensure(measured.determinism.repeatable or not exact, stage=NAME, promise="exact only if deterministic")


def measure_reference(model: bytes, sources: Sources, progress: Progress) -> Reference:
    """The imported model in fp32 under ONNX Runtime."""
    progress.start(f"{NAME} fp32 reference", sources.evaluation.samples)
    scores = reference_scores(model, sources.contract, sources.evaluation, on_sample=progress.advance)
    progress.done()
    return Reference(scores=scores, accuracy=accuracy(scores, sources.evaluation.labels))


def measure(
    variant: Lowered, sources: Sources, reference: Reference, request: CompileRequest, progress: Progress
) -> Measured:
    """All figures of one variant; the contract is checked as soon as a figure is known."""
    contract, dataset, name = sources.contract, sources.evaluation, variant.profile.name
    source = variant.stand_in or source_of_lowered(variant, contract)
    progress.start(f"{NAME} {name}", dataset.samples)
    with open_engine(source) as engine:
        scores = score(engine, dataset, contract.accuracy.output, on_sample=progress.advance)
        got = accuracy(scores, dataset.labels)
        check_accuracy(contract, name, got, reference.accuracy)
        deterministic = is_deterministic(engine, source, dataset)
        goldens = make_goldens(engine, golden_inputs(contract, dataset))
        latency = measure_latency(engine, dataset, runs=request.latency_runs)
        check_latency(contract, name, latency)
        measured_on = _measured_on(variant, engine)
        answer = digest_outputs(engine.run(tensors(dataset, 0)))
    fresh = run_in_fresh_process(source, tensors(dataset, 0))
    deterministic = deterministic and fresh.outputs_digest == answer
    progress.done()
    return Measured(
        lowered=variant,
        numeric_class=variant.profile.numeric_class if deterministic else NumericClass.APPROXIMATE,
        goldens=goldens,
        accuracy=got,
        slices=accuracy_by_slice(scores, dataset.labels, dataset.slices),
        agreement=agreement(scores, reference.scores),
        paired=None,
        latency=latency,
        peak_rss_bytes=fresh.peak_rss_bytes,
        determinism=DeterminismProof(
            samples=min(dataset.samples, DETERMINISM_SAMPLES),
            repeats=DETERMINISM_REPEATS,
            engines=2,
            processes=2,
            repeatable=deterministic,
        ),
        placement=variant.placement,
        measured_on=measured_on,
        measured_at=_timestamp(request.clock()),
    )


def _measured_on(variant: Lowered, engine: Engine) -> MeasuredOn:
    machine = detect()
    return MeasuredOn(
        arch=machine.arch,
        cpu=machine.cpu,
        cores=machine.cores,
        os=f"{machine.os} {machine.kernel}",
        runtime=variant.profile.runtime,
        runtime_version=engine.runtime_version,
        threads=variant.profile.threads,
        execution=variant.execution,
    )


def _timestamp(unix_s: float) -> str:
    """RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
