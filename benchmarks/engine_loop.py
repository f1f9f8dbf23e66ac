"""The bare engine loop: the same inference with no server around it."""

from __future__ import annotations

import struct
import time

from benchmarks.load import FIRST_VALUE_STEPS
from benchmarks.rounds import Sample
from benchmarks.subjects import Subject
from edge_bundle.tensor import Tensor
from edge_runtime.engine import Engine

RUNS_BETWEEN_CLOCKS = 16


class EngineLoop:
    """Runs a subject's engine on ever new inputs, in this process."""

    def __init__(self, subject: Subject, engine: Engine, seconds: float) -> None:
        self._subject = subject
        self._engine = engine
        self._seconds = seconds
        self._number = 0

    def segment(self) -> Sample:
        """One segment of ``seconds``."""
        runs = 0
        cpu, started = time.process_time(), time.perf_counter()
        while (wall := time.perf_counter() - started) < self._seconds:
            for _ in range(RUNS_BETWEEN_CLOCKS):
                self._run()
            runs += RUNS_BETWEEN_CLOCKS
        return Sample(wall_us=wall / runs * 1e6, cpu_us=(time.process_time() - cpu) / runs * 1e6)

    def _run(self) -> None:
        rule = self._subject.contract.inputs[0]
        self._number += 1
        data = struct.pack("<f", self._number / FIRST_VALUE_STEPS) + bytes(self._subject.input_bytes - 4)
        self._engine.run({rule.name: Tensor(rule.dtype, self._subject.input_shape, data)})
