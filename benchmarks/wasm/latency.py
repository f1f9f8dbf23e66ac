"""Latency of one model and precision in every engine that takes it, round after round."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.rounds import Sample, run_rounds
from benchmarks.wasm.case import write_inputs, write_tfjs
from benchmarks.wasm.engines import EngineName, Measured, NodeEngine, native_engine, wasmtime_engine
from benchmarks.wasm.jobs import Job
from benchmarks.wasm.models import Precision

WARM_UP_S = 0.6
"""First segment of every engine: V8 compiles a module again, optimised, once it has seen it run for a while."""

INPUTS = 8
"""Inputs that take turns."""


AGREEMENT = {Precision.FP32: 1e-4, Precision.INT8: 0.1}
"""How far two engines may be apart, as a share of the largest value; engines round int8 ties differently."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how often: ``rounds`` rounds of segments of ``seconds``."""

    rounds: int = 9
    seconds: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The samples of a job by engine, each of its rounds in the same place of every tuple."""

    job: Job
    versions: Mapping[EngineName, str]
    samples: Mapping[EngineName, tuple[Sample, ...]]

    def ms(self, engine: EngineName) -> float:
        """The shortest run of all rounds."""
        return min(sample.wall_us for sample in self.samples[engine]) / 1e3

    def ratio(self, ours: EngineName, peer: EngineName) -> float | None:
        """Our shortest run to the peer's; ``None`` where one of them is missing.

        Not a median over the rounds: a neighbour on the machine lengthens nearly every run of 20 ms, and few of 20 us.
        """
        if ours not in self.samples or peer not in self.samples:
            return None
        return self.ms(ours) / self.ms(peer)


def measure(job: Job, engines: Sequence[EngineName], plan: Plan, advance: Callable[[], None]) -> Latency:
    """Load the engines, then let them take turns; ``advance`` is called after every segment.

    Raises ``WrongAnswerError`` where two engines disagree: the time of a wrong answer says nothing.
    """
    with contextlib.ExitStack() as stack:
        opened = {engine: stack.enter_context(_opened(job, engine)) for engine in job.engines(engines)}
        check_answers(opened, job.precision)
        taken = run_rounds(
            [_Turns(engine, plan.seconds).segment for engine in opened.values()], rounds=plan.rounds, advance=advance
        )
        versions = {name: engine.version for name, engine in opened.items()}
    return Latency(job=job, versions=versions, samples=dict(zip(opened, taken, strict=True)))


class WrongAnswerError(Exception):
    """Two engines give different answers to the same input."""


def check_answers(engines: Mapping[EngineName, Measured], precision: Precision) -> None:
    """Hold every engine's answer to the first input against that of the last engine.

    Raises ``WrongAnswerError`` if one is farther off than ``AGREEMENT`` of the largest value.
    """
    answers = {name: engine.outputs(0) for name, engine in engines.items()}
    for name, answer in answers.items():
        reference = answers[list(answers)[-1]]
        for output, data in answer.items():
            want = np.frombuffer(reference[output], dtype=np.float32)
            off = float(np.abs(np.frombuffer(data, dtype=np.float32) - want).max() / np.abs(want).max())
            if not off <= AGREEMENT[precision]:
                raise WrongAnswerError(f"{name.value}: output {output!r} is off by {off:.2g} of the largest value")


class _Turns:
    """Segments of an engine; the first one warms it up."""

    def __init__(self, engine: Measured, seconds: float) -> None:
        self._engine, self._seconds = engine, seconds
        self._cold = True

    def segment(self) -> Sample:
        seconds = max(WARM_UP_S, self._seconds) if self._cold else self._seconds
        self._cold = False
        return self._engine.segment(seconds)


@contextlib.contextmanager
def _opened(job: Job, name: EngineName) -> Iterator[Measured]:
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as place, _open(job, name, Path(place)) as engine:
        yield engine


def _open(job: Job, name: EngineName, folder: Path) -> Measured:
    rows, peer_rows = job.rows[:INPUTS], job.peer_rows[:INPUTS]
    match name:
        case EngineName.NATIVE:
            return native_engine(job.onnx, peer_rows)
        case EngineName.TFJS:
            write_tfjs(folder, job.onnx, peer_rows)
            return NodeEngine("tfjs.js", folder)
        case EngineName.ORT_WEB:
            write_inputs(folder, peer_rows)
            (folder / "model.onnx").write_bytes(job.onnx)
            return NodeEngine("onnxruntime_web.js", folder)
    if job.compiled is None:
        raise ValueError(f"expected a compiled module for {name.value}, got none")
    if name is EngineName.SKERRY_WASMTIME:
        return wasmtime_engine(job.compiled.module, rows)
    write_inputs(folder, rows)
    (folder / "module.wasm").write_bytes(job.compiled.module.standalone())
    return NodeEngine("skerry.js", folder)
