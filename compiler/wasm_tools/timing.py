"""Time by step under wasmtime: where the microseconds of a run go."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import wasmtime
from numpy.typing import NDArray

from compiler.wasm_tools.anatomy import StepAnatomy
from compiler.wasm_tools.instance import Arrays, Instance
from edge_runtime.wasm.abi import ModuleInfo
from edge_runtime.wasm.call import Export
from edge_runtime.wasm.runtime import wasmtime_engine

WARM_UP_ROUNDS = 3
MIN_ROUNDS = 5
NS_PER_US = 1000.0
DEFAULT_SECONDS = 1.0
SEED = 3

CLOCK_US = 0.1
"""Shorter times say nothing about a rate."""

EMPTY_CALLS = 200
"""Of a function that does nothing; the shortest is taken off every time, which is a shortest one too."""

_EMPTY = '(module (func (export "run") (result i32) (i32.const 0)) (func (export "step")))'


@dataclass(frozen=True)
class Times:
    """The shortest time of each step, and of a whole run, in microseconds, less what an empty call takes."""

    step_us: tuple[float, ...]
    run_us: float
    rounds: int


@dataclass(frozen=True, kw_only=True)
class TimedStep:
    """A step with its time, its share of all steps, and its rate in billions of operations a second.

    ``gops`` is 0 for a step without arithmetic, or one too short for the clock.
    """

    step: StepAnatomy
    us: float
    share: float
    gops: float


@dataclass(frozen=True, kw_only=True)
class TimedKernel:
    """All steps of one kernel together; the figures are those of ``TimedStep``."""

    op: str
    steps: tuple[TimedStep, ...]
    us: float
    share: float
    gops: float


def time_steps(instance: Instance, inputs: Sequence[Arrays], *, seconds: float = DEFAULT_SECONDS) -> Times:
    """Run the steps one by one, then the whole ``run``, again and again for ``seconds``; keep the shortest of each.

    In order, because a step may overwrite its input: each finds the values and the caches as in a whole run. Rounds
    take the inputs in turn.
    """
    calls = [instance.function(f"step.{index}") for index in range(len(instance.info.steps))]
    run = instance.function("run")
    best, whole, rounds = [float("inf")] * len(calls), float("inf"), 0
    began = time.perf_counter()
    while rounds < MIN_ROUNDS + WARM_UP_ROUNDS or time.perf_counter() - began < seconds:
        given = inputs[rounds % len(inputs)]
        instance.feed(given)
        taken = [_ns(call) for call in calls]
        instance.feed(given)
        total = _ns(run)
        rounds += 1
        if rounds > WARM_UP_ROUNDS:
            best = [min(pair) for pair in zip(best, taken, strict=True)]
            whole = min(whole, total)
    empty_step, empty_run = _empty_calls_ns()
    step_us = tuple(max(ns - empty_step, 0) / NS_PER_US for ns in best)
    return Times(step_us, max(whole - empty_run, 0) / NS_PER_US, rounds - WARM_UP_ROUNDS)


def timed(steps: Sequence[StepAnatomy], times: Times) -> tuple[TimedStep, ...]:
    """Steps with their times."""
    total = sum(times.step_us) or 1.0
    return tuple(
        TimedStep(step=step, us=us, share=us / total, gops=_gops(step.flops, us))
        for step, us in zip(steps, times.step_us, strict=True)
    )


def by_kernel(steps: Sequence[TimedStep]) -> tuple[TimedKernel, ...]:
    """The kernels, the most expensive first, and so are the steps of each."""
    found: dict[str, list[TimedStep]] = {}
    for one in sorted(steps, key=lambda one: -one.us):
        found.setdefault(one.step.op, []).append(one)
    return tuple(sorted((_together(op, own) for op, own in found.items()), key=lambda kernel: -kernel.us))


def noise(info: ModuleInfo) -> dict[str, NDArray[Any]]:
    """Inputs for timing: raw PCG64 output scaled to -1..1 for float32, zeros for every other dtype."""
    made: dict[str, NDArray[Any]] = {}
    for place in info.inputs:
        dtype = np.dtype(place.dtype.numpy_name)
        made[place.name] = np.zeros(place.shape, dtype)
        if dtype == np.float32:
            raw = np.asarray(np.random.PCG64(SEED).random_raw(place.nbytes // struct.calcsize("f")), np.uint64)
            made[place.name] = (raw / 2.0**63 - 1.0).astype(np.float32).reshape(place.shape)
    return made


def _together(op: str, steps: Sequence[TimedStep]) -> TimedKernel:
    us, flops = sum(one.us for one in steps), sum(one.step.flops for one in steps)
    share = sum(one.share for one in steps)
    return TimedKernel(op=op, steps=tuple(steps), us=us, share=share, gops=_gops(flops, us))


def _gops(flops: int, us: float) -> float:
    return flops / us / NS_PER_US if us >= CLOCK_US else 0.0


def _ns(call: Callable[[], int]) -> int:
    began = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - began


def _empty_calls_ns() -> tuple[int, int]:
    """What a call of a step and one of ``run`` take, with two looks at the clock: a result costs time as well."""
    engine = wasmtime_engine(relaxed_simd=False)
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, _EMPTY), []).exports(store)
    step, run = (Export(store, cast(wasmtime.Func, exports[name])) for name in ("step", "run"))
    return min(_ns(step) for _ in range(EMPTY_CALLS)), min(_ns(run) for _ in range(EMPTY_CALLS))
