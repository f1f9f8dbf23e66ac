"""Time of each step of a module under wasmtime: where a run's microseconds go."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from benchmarks.wasm.host_call import idle_module
from benchmarks.wasm.inputs import Inputs
from benchmarks.wasm.instance import Instance
from edge_runtime.wasm.abi import StepInfo

WARM_UP_ROUNDS = 3
NANOSECONDS = 1000.0
"""In a microsecond."""

CLOCK_US = 0.1
"""Shorter times say nothing about a rate."""


@dataclass(frozen=True)
class StepTime:
    """One step, and the shortest of its runs, less what an empty call takes."""

    step: StepInfo
    best_us: float

    @property
    def rate(self) -> str:
        """Billions of arithmetic operations a second, in words; nothing for a step without any, or below the clock."""
        return _rate(self.step.flops, self.best_us)


@dataclass(frozen=True)
class StepTimes:
    """All steps in order, and the shortest whole ``run``."""

    steps: tuple[StepTime, ...]
    run_us: float


def time_steps(instance: Instance, inputs: Sequence[Inputs], *, seconds: float) -> StepTimes:
    """Run the steps one by one in their order, and the whole ``run`` after them, again and again for ``seconds``.

    In order, because a step may overwrite its input: each then finds the values and the caches as in a whole run.
    """
    functions = [instance.function(f"step.{index}") for index in range(len(instance.info.steps))]
    taken: list[list[int]] = [[] for _ in functions]
    whole: list[int] = []
    run = instance.function("run")
    started, rounds = time.perf_counter(), 0
    while rounds <= WARM_UP_ROUNDS or time.perf_counter() - started < seconds:
        instance.feed(inputs[rounds % len(inputs)])
        for function, times in zip(functions, taken, strict=True):
            times.append(_nanoseconds(function))
        instance.feed(inputs[rounds % len(inputs)])
        whole.append(_nanoseconds(run))
        rounds += 1
    empty = _empty_call_ns()
    best = [max(min(times[WARM_UP_ROUNDS:]) - empty, 0) / NANOSECONDS for times in taken]
    steps = tuple(StepTime(step, us) for step, us in zip(instance.info.steps, best, strict=True))
    return StepTimes(steps, max(min(whole[WARM_UP_ROUNDS:]) - empty, 0) / NANOSECONDS)


def steps_table(times: StepTimes, *, title: str) -> Table:
    """A line for each step with its share, and the sum."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("#", "us", "share", "Gop/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("kernel", no_wrap=True)
    table.add_column("node", no_wrap=True, overflow="ellipsis")
    total = sum(one.best_us for one in times.steps) or 1.0
    for index, one in enumerate(times.steps):
        share = f"{one.best_us / total:.1%}"
        table.add_row(str(index), f"{one.best_us:.2f}", share, one.rate, one.step.op, one.step.name)
    flops = sum(one.step.flops for one in times.steps)
    table.add_row("", f"{total:.2f}", "", _rate(flops, total), "sum of steps", "")
    table.add_row("", f"{times.run_us:.2f}", "", _rate(flops, times.run_us), "run", "")
    return table


def kernels_table(times: StepTimes) -> Table:
    """The steps of one kernel taken together, the dearest first."""
    table = Table(title="by kernel", title_justify="left", box=None, pad_edge=False)
    for heading in ("steps", "us", "share", "Gop/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("kernel", no_wrap=True)
    total = sum(one.best_us for one in times.steps) or 1.0
    found: dict[str, list[StepTime]] = {}
    for one in times.steps:
        found.setdefault(one.step.op, []).append(one)
    for op, all_ in sorted(found.items(), key=lambda item: -sum(one.best_us for one in item[1])):
        us = sum(one.best_us for one in all_)
        flops = sum(one.step.flops for one in all_)
        table.add_row(str(len(all_)), f"{us:.2f}", f"{us / total:.1%}", _rate(flops, us), op)
    return table


def _rate(flops: int, us: float) -> str:
    return f"{flops / us / 1e3:.1f}" if flops and us >= CLOCK_US else ""


def _nanoseconds(function: Callable[[], Any]) -> int:
    started = time.perf_counter_ns()
    function()
    return time.perf_counter_ns() - started


def _empty_call_ns() -> int:
    """What a call and two looks at the clock take: the time of a module that does nothing."""
    module = idle_module()
    run = Instance(module.standalone(), module.info).function("run")
    return int(statistics.median(_nanoseconds(run) for _ in range(200)))
