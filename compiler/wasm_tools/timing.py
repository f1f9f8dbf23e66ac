"""Time by step under wasmtime: where the microseconds of a run go."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

import numpy as np
import wasmtime

from compiler.wasm_tools.anatomy import StepAnatomy
from edge_bundle.errors import EngineError
from edge_runtime.wasm.abi import Feature, ModuleInfo
from edge_runtime.wasm.call import Export, memory_view, one_line
from edge_runtime.wasm.runtime import wasmtime_engine

WARM_UP_ROUNDS = 3
MIN_ROUNDS = 5
NS_PER_US = 1000.0
DEFAULT_SECONDS = 1.0
SEED = 3


@dataclass(frozen=True)
class Times:
    """The shortest time of each step, and of a whole run, in microseconds."""

    step_us: tuple[float, ...]
    run_us: float
    rounds: int


@dataclass(frozen=True, kw_only=True)
class TimedStep:
    """A step with its time, its share of all steps, and its rate in billions of operations a second."""

    step: StepAnatomy
    us: float
    share: float
    gops: float


class Rehearsal:
    """One instance of a module with every step in reach. A context manager: it frees the memory.

    Raises ``EngineError`` for what wasmtime refuses.
    """

    def __init__(self, module: bytes, info: ModuleInfo) -> None:
        engine = wasmtime_engine(relaxed_simd=Feature.RELAXED_SIMD in info.features)
        self._store = wasmtime.Store(engine)
        try:
            exports = wasmtime.Instance(self._store, wasmtime.Module(engine, module), []).exports(self._store)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            self._store.close()
            raise EngineError(runtime="wasm", detail=one_line(error)) from None
        self.info = info
        self._memory = memory_view(self._store, cast(wasmtime.Memory, exports["memory"]))
        self._exports = exports
        self.function("init")()

    def function(self, name: str) -> Callable[[], int]:
        """An export without parameters."""
        return Export(self._store, cast(wasmtime.Func, self._exports[name]))

    def feed(self, inputs: Mapping[str, bytes]) -> None:
        """Write the inputs."""
        for place in self.info.inputs:
            self._memory[place.offset : place.offset + place.nbytes] = inputs[place.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._memory.release()
        self._store.close()


def time_steps(
    module: bytes, info: ModuleInfo, *, seconds: float = DEFAULT_SECONDS, inputs: Mapping[str, bytes] | None = None
) -> Times:
    """Run the steps one by one, then the whole ``run``, again and again for ``seconds``; keep the shortest of each.

    In order, because a step may overwrite its input: each finds the values and the caches as in a whole run. Without
    ``inputs`` they are seeded noise in -1..1 (zeros where the dtype is not float32).
    """
    given = inputs if inputs is not None else noise(info)
    with Rehearsal(module, info) as rehearsal:
        calls = [rehearsal.function(f"step.{index}") for index in range(len(info.steps))]
        run = rehearsal.function("run")
        best, whole, rounds = [float("inf")] * len(calls), float("inf"), 0
        began = time.perf_counter()
        while rounds < MIN_ROUNDS + WARM_UP_ROUNDS or time.perf_counter() - began < seconds:
            rehearsal.feed(given)
            taken = [_ns(call) for call in calls]
            rehearsal.feed(given)
            total = _ns(run)
            rounds += 1
            if rounds > WARM_UP_ROUNDS:
                best = [min(pair) for pair in zip(best, taken, strict=True)]
                whole = min(whole, total)
    return Times(tuple(ns / NS_PER_US for ns in best), whole / NS_PER_US, rounds - WARM_UP_ROUNDS)


def timed(steps: tuple[StepAnatomy, ...], times: Times) -> tuple[TimedStep, ...]:
    """Steps with their times."""
    total = sum(times.step_us) or 1.0
    return tuple(
        TimedStep(step=step, us=us, share=us / total, gops=step.flops / us / NS_PER_US if us else 0.0)
        for step, us in zip(steps, times.step_us, strict=True)
    )


def noise(info: ModuleInfo) -> dict[str, bytes]:
    """Inputs for timing: raw PCG64 output scaled to -1..1 for float32, zeros for every other dtype."""
    made: dict[str, bytes] = {}
    for place in info.inputs:
        made[place.name] = bytes(place.nbytes)
        if place.dtype.numpy_name == "<f4":
            raw = np.asarray(np.random.PCG64(SEED).random_raw(place.nbytes // struct.calcsize("f")), np.uint64)
            made[place.name] = (raw / 2.0**63 - 1.0).astype(np.float32).tobytes()
    return made


def _ns(call: Callable[[], int]) -> int:
    began = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - began
