"""Pass 9, prove: what every variant is like to run, beside what it answers: speed, memory, bits that change.

Requires: evaluated variants.
Ensures:
    1. one ``Measured`` per profile, with accuracy, agreement, latency, memory, placement and determinism;
    2. latency keeps the contract's promise;
    3. the profile's numeric class, unless one bit contradicts it (``measuring/determinism.py``), which fails it;
    4. a latency only where the variant ran on its own kind of device: an emulator says nothing of speed;
    5. nodes run where the target's compiler said.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from compiler.attempts import attempt, refuse, remaining
from compiler.compilation import Compilation, Evaluated, Measured, Refusal, Sources
from compiler.dataset import Dataset
from compiler.measuring.determinism import Plan, check_claim, look_for_differences, plan_for
from compiler.measuring.goldens import golden_inputs, make_goldens
from compiler.measuring.latency import measure_latency
from compiler.measuring.variant_source import source_of_lowered
from compiler.passes.ensures import ensure
from compiler.progress import Progress, candidate
from compiler.promises import check_latency
from compiler.request import CompileRequest
from compiler.targets.target import Lowered
from edge_bundle.contract import Contract
from edge_bundle.manifest import NumericClass
from edge_bundle.placement import check_placement
from edge_bundle.proof import Execution, LatencyProof, MeasuredOn
from edge_runtime.engine import Engine, EngineSource
from edge_runtime.factory import open_engine
from hardware_profiles.detect import detect
from hardware_profiles.same_host import flags_digest

NAME = "prove"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Measure every variant.

    Raises:
        ContractNotMetError: names the profile, and by how much the latency is missed.
        NumericClassError: names the profile and the run whose bits contradict the profile's claim.
        PlacementError: nodes run elsewhere than the target's compiler said.
        EngineError: a runtime fails on a sample.

    """
    made: list[Measured | Refusal] = []
    for evaluated in state.evaluated:
        profile = evaluated.lowered.profile
        progress.start(f"{NAME} {candidate(profile, race=state.request.race)}", 0)
        made.append(attempt(state, profile, NAME, partial(measure, evaluated, state.sources, state.request)))
        progress.done()
    state = refuse(state, [one for one in made if isinstance(one, Refusal)])
    return replace(state, measured=tuple(one for one in made if isinstance(one, Measured)))


def check(state: Compilation) -> None:
    """Rules 1, 3 and 4; the others raise where it is measured."""
    ensure(
        tuple(m.lowered.profile for m in state.measured) == remaining(state),
        stage=NAME,
        promise="one measurement per variant",
    )
    for measured in state.measured:
        exact = measured.numeric_class is not NumericClass.APPROXIMATE
        ensure(measured.determinism.repeatable or not exact, stage=NAME, promise="exact only if deterministic")
        on_device = measured.measured_on.execution is Execution.DEVICE
        ensure(on_device or measured.latency is None, stage=NAME, promise="no speed of an emulator")


def measure(evaluated: Evaluated, sources: Sources, request: CompileRequest) -> Measured:
    """All figures of one variant; a promise is checked as soon as its figure is known."""
    variant, contract, dataset = evaluated.lowered, sources.contract, sources.evaluation
    source, name = variant.stand_in or source_of_lowered(variant, contract), variant.profile.name
    with open_engine(source) as engine:
        if variant.stand_in is None:
            check_placement(variant.placement, engine.placement, runtime=source.runtime)
        found = look_for_differences(engine, source, dataset, _plan(variant, engine, source, contract))
        check_claim(variant.profile.numeric_class, found, profile=name)
        goldens = make_goldens(engine, golden_inputs(contract, dataset))
        latency = _latency(variant, engine, dataset, request)
        check_latency(contract, name, latency)
        measured_on = _measured_on(variant, source, engine)
        placement = variant.placement or engine.placement
    return Measured(
        lowered=variant,
        numeric_class=variant.profile.numeric_class,
        goldens=goldens,
        accuracy=evaluated.accuracy,
        slices=evaluated.slices,
        agreement=evaluated.agreement,
        paired=evaluated.paired,
        latency=latency,
        peak_rss_bytes=found.peak_rss_bytes,
        determinism=found.proof,
        placement=placement,
        measured_on=measured_on,
        measured_at=_timestamp(request.clock()),
    )


def _plan(variant: Lowered, engine: Engine, source: EngineSource, contract: Contract) -> Plan:
    emulated = variant.execution is not Execution.DEVICE
    return plan_for(engine, source, contract, cores=detect().cores, emulated=emulated)


def _latency(variant: Lowered, engine: Engine, dataset: Dataset, request: CompileRequest) -> LatencyProof | None:
    if variant.execution is not Execution.DEVICE:
        return None
    return measure_latency(engine, dataset, runs=request.latency_runs)


def _measured_on(variant: Lowered, source: EngineSource, engine: Engine) -> MeasuredOn:
    """``runtime`` is what ran: that of a stand-in, where one did."""
    machine = detect()
    return MeasuredOn(
        arch=machine.arch,
        cpu=machine.cpu,
        cpu_flags_digest=flags_digest(machine.cpu_flags),
        cores=machine.cores,
        os=f"{machine.os} {machine.kernel}",
        runtime=source.runtime,
        runtime_version=engine.runtime_version,
        threads=source.threads,
        execution=variant.execution,
    )


def _timestamp(unix_s: float) -> str:
    """RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
