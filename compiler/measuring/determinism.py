"""Looking for a bit that changes: the same samples run again.

By the same engine, by another, in fresh processes, on other thread counts, and at every place of a batch.

What contradicts which numeric class (design, section 1):
    1. ``host-exact``: the same device, runtime version and thread count give the same bits, so repeats, engines and
       processes must agree;
    2. ``portable-exact``: every conforming host gives the same bits, so thread counts and places in a batch must too;
    3. ``approximate`` promises nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

from compiler.dataset import Dataset
from compiler.measuring.fresh_process import FreshRun, digest_outputs, run_in_fresh_process
from compiler.measuring.runner import tensors
from edge_bundle.contract import Contract
from edge_bundle.errors import NumericClassError
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import DeterminismProof
from edge_bundle.tensor import DYNAMIC, Tensor
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.engine import Engine, EngineSource
from edge_runtime.factory import concurrent_runs, open_engine

SAMPLES, REPEATS, ENGINES, PROCESSES = 16, 3, 2, 3
"""Samples of the evaluation set; times each is run by the first engine; engines here; processes, this one included."""

BATCH_ROWS = 8
"""Rows of the batches tried: as many as the batch that gets code of its own (``batches.OFFERED_BATCH``)."""

MAX_THREAD_COUNTS = 5
"""Most thread counts tried; each loads the variant once more."""

EMULATED_SAMPLES, EMULATED_REPEATS, EMULATED_PROCESSES, EMULATED_BATCH_ROWS = 4, 2, 2, 2
"""The same where an emulator runs the variant, some hundred times slower than its device would."""

Answer: TypeAlias = Mapping[str, bytes]
"""The bytes of every output of one sample."""

Open: TypeAlias = Callable[[EngineSource], Engine]


class FreshProcess(Protocol):
    """``run_in_fresh_process``."""

    def __call__(
        self, source: EngineSource, rows: Sequence[Mapping[str, Tensor]], *, filled_memory: bool = False
    ) -> FreshRun:
        """Load and run in a new process."""


class Trial(enum.StrEnum):
    """A way to look for a bit that changes."""

    REPEATS = "repeats"
    ENGINES = "engines"
    PROCESSES = "processes"
    THREADS = "threads"
    BATCHES = "batches"


CONTRADICTED_BY: Mapping[NumericClass, frozenset[Trial]] = {
    NumericClass.PORTABLE_EXACT: frozenset(Trial),
    NumericClass.HOST_EXACT: frozenset({Trial.REPEATS, Trial.ENGINES, Trial.PROCESSES}),
    NumericClass.APPROXIMATE: frozenset(),
}
"""The rules of the module's docstring."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first output of a trial that was not the same; ``where`` says which run of it."""

    trial: Trial
    where: str
    sample: int
    output: str

    def __str__(self) -> str:
        return f"other bits in output {self.output!r} of sample {self.sample} {self.where}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is tried. ``threads`` of one count, or ``batch_rows`` of 1: that is not tried."""

    samples: int = SAMPLES
    repeats: int = REPEATS
    engines: int = ENGINES
    processes: int = PROCESSES
    threads: tuple[int, ...] = ()
    batch_rows: int = 1


@dataclass(frozen=True, kw_only=True)
class Determinism:
    """What was found; at most one difference per trial. ``peak_rss_bytes`` is of a fresh process."""

    proof: DeterminismProof
    differences: tuple[Difference, ...]
    peak_rss_bytes: int


def plan_for(engine: Engine, source: EngineSource, contract: Contract, *, cores: int, emulated: bool) -> Plan:
    """What can be tried with this variant here. Threads are the CPU's: an engine with a device takes none."""
    rows = min(EMULATED_BATCH_ROWS if emulated else BATCH_ROWS, contract.limits.max_batch)
    rows = rows if all(spec.shape[:1] == (DYNAMIC,) for spec in (*source.inputs, *source.outputs)) else 1
    if emulated:
        return Plan(samples=EMULATED_SAMPLES, repeats=EMULATED_REPEATS, processes=EMULATED_PROCESSES, batch_rows=rows)
    return Plan(threads=() if engine.placement else thread_counts(source.threads, cores), batch_rows=rows)


def plan_of(proof: DeterminismProof, *, cores: int) -> Plan:
    """What a proof says was tried, to try it again: as far as there are cores, and never more than we try ourselves."""
    return Plan(
        samples=_between(1, proof.samples, SAMPLES),
        repeats=_between(1, proof.repeats, REPEATS),
        engines=_between(1, proof.engines, ENGINES),
        processes=_between(2, proof.processes, PROCESSES),
        threads=tuple(count for count in proof.threads if 1 <= count <= cores)[:MAX_THREAD_COUNTS],
        batch_rows=_between(1, proof.batch_positions, BATCH_ROWS),
    )


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def thread_counts(own: int, cores: int) -> tuple[int, ...]:
    """The variant's own count, powers of two up to all cores, and all; the smallest ``MAX_THREAD_COUNTS``.

    Never more than there are cores: OpenVINO takes no more, and says so.
    """
    powers = {1 << power for power in range(cores.bit_length()) if 1 << power <= cores}
    others = sorted({cores, *powers} - {own})
    return tuple(sorted({own, *others[: MAX_THREAD_COUNTS - 1]}))


def look_for_differences(
    engine: Engine,
    source: EngineSource,
    dataset: Dataset,
    plan: Plan,
    *,
    opener: Open = open_engine,
    in_process: FreshProcess = run_in_fresh_process,
) -> Determinism:
    """Everything that ``plan`` names. ``engine`` is open already, by ``source``.

    Raises:
        EngineError: a run fails; a batch that the contract allows is one of them.

    """
    plan = replace(plan, samples=min(plan.samples, dataset.samples))
    rows = [tensors(dataset, index) for index in range(plan.samples)]
    first = [_answer(engine.run(row)) for row in rows]
    fresh = _fresh_runs(source, rows, plan, in_process)
    trials: Sequence[Iterable[Difference]] = (
        _repeats(engine, rows, first, plan),
        _engines(source, rows, first, plan, opener),
        _processes(fresh, first),
        _threads(source, rows, first, plan, opener),
        _batches(engine, dataset, plan),
    )
    differences = tuple(found for trial in trials if (found := next(iter(trial), None)))
    return Determinism(proof=_proof(plan, differences), differences=differences, peak_rss_bytes=fresh[0].peak_rss_bytes)


def check_claim(claim: NumericClass, found: Determinism, *, profile: str) -> None:
    """Rules 1 to 3.

    Raises:
        NumericClassError: a bit contradicts the class; says which.

    """
    for difference in found.differences:
        if difference.trial in CONTRADICTED_BY[claim]:
            raise NumericClassError(
                profile=profile,
                claim=claim.value,
                contradiction=str(difference),
                advice="claim the class approximate in the profile, or leave the profile out",
            )


def _proof(plan: Plan, differences: tuple[Difference, ...]) -> DeterminismProof:
    trials = {difference.trial for difference in differences}
    threads = plan.threads if len(plan.threads) > 1 else ()
    positions = plan.batch_rows if plan.batch_rows > 1 else 0
    return DeterminismProof(
        samples=plan.samples,
        repeats=plan.repeats,
        engines=plan.engines,
        processes=plan.processes,
        repeatable=not trials & CONTRADICTED_BY[NumericClass.HOST_EXACT],
        threads=threads,
        threads_agree=Trial.THREADS not in trials if threads else None,
        batch_positions=positions,
        batches_agree=Trial.BATCHES not in trials if positions else None,
    )


def _repeats(
    engine: Engine, rows: Sequence[Mapping[str, Tensor]], first: Sequence[Answer], plan: Plan
) -> Iterator[Difference]:
    for repeat in range(2, plan.repeats + 1):
        got = [_answer(engine.run(row)) for row in rows]
        yield from _compare(Trial.REPEATS, f"in run {repeat} by one engine", first, got)


def _engines(
    source: EngineSource, rows: Sequence[Mapping[str, Tensor]], first: Sequence[Answer], plan: Plan, opener: Open
) -> Iterator[Difference]:
    for number in range(2, plan.engines + 1):
        with opener(source) as other:
            got = [_answer(other.run(row)) for row in rows]
        yield from _compare(Trial.ENGINES, f"by engine {number}", first, got)


def _fresh_runs(
    source: EngineSource, rows: Sequence[Mapping[str, Tensor]], plan: Plan, in_process: FreshProcess
) -> list[FreshRun]:
    """One per further process, all at once. Those after the first find every fresh byte of memory filled."""
    with ThreadPoolExecutor(plan.processes - 1) as pool:
        work = [pool.submit(in_process, source, rows, filled_memory=number > 0) for number in range(plan.processes - 1)]
        return [one.result() for one in work]


def _processes(fresh: Sequence[FreshRun], first: Sequence[Answer]) -> Iterator[Difference]:
    want = [digest_outputs(answer) for answer in first]
    for number, run in enumerate(fresh, start=2):
        yield from _compare(Trial.PROCESSES, f"in process {number}", want, run.answers)


def _threads(
    source: EngineSource, rows: Sequence[Mapping[str, Tensor]], first: Sequence[Answer], plan: Plan, opener: Open
) -> Iterator[Difference]:
    """Where runs may overlap, a thread count is how many do."""
    for count in plan.threads:
        changed = replace(source, threads=count)
        if count == source.threads and concurrent_runs(changed) == 1:
            continue
        with opener(changed) as other, ThreadPoolExecutor(concurrent_runs(changed)) as pool:
            got = [_answer(outputs) for outputs in pool.map(other.run, rows)]
        yield from _compare(Trial.THREADS, f"on {count} threads", first, got)


def _batches(engine: Engine, dataset: Dataset, plan: Plan) -> Iterator[Difference]:
    """Every row at every place: the batch is turned by one place as often as it has rows."""
    rows = plan.batch_rows
    if rows == 1:
        return
    alone = [_answer(engine.run(tensors(dataset, index % dataset.samples))) for index in range(rows)]
    for turn in range(rows):
        chosen = [(place + turn) % rows for place in range(rows)]
        batch = {
            name: to_tensor(np.ascontiguousarray(array[[index % dataset.samples for index in chosen]]))
            for name, array in dataset.arrays.items()
        }
        outputs = {name: to_array(tensor) for name, tensor in engine.run(batch).items()}
        for place, index in enumerate(chosen):
            got = {name: array[place : place + 1].tobytes() for name, array in outputs.items()}
            where = f"at place {place + 1} of a batch of {rows}"
            yield from _compare(Trial.BATCHES, where, [alone[index]], [got], sample=index)


def _compare(
    trial: Trial,
    where: str,
    want: Sequence[Mapping[str, bytes | str]],
    got: Sequence[Mapping[str, bytes | str]],
    *,
    sample: int = 0,
) -> Iterator[Difference]:
    for index, (a, b) in enumerate(zip(want, got, strict=True), start=sample):
        for output in a:
            if a[output] != b[output]:
                yield Difference(trial=trial, where=where, sample=index, output=output)


def _answer(outputs: Mapping[str, Tensor]) -> Answer:
    return {name: bytes(tensor.data) for name, tensor in outputs.items()}
