"""Engines timed in turn, A B C A B C: what slows the machine for a moment slows all of them alike.

Figures of separate runs differ by more than the engines do on a machine that has other work; the ratio within one round
does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from compiler.dataset import Dataset
from compiler.measuring.latency import DISTINCT_SAMPLES, NS_PER_US, WARM_UP_RUNS, percentile
from compiler.measuring.race import Times
from compiler.measuring.runner import tensors
from edge_bundle.tensor import Tensor
from edge_runtime.engine import Engine

SEGMENT_US = 2000.0
"""Least time of one turn, microseconds: long enough to outlast what the engine before left in the caches."""

MAX_RUNS = 200
"""Most runs in one turn; a model of 10 us fills ``SEGMENT_US`` with them."""


def race_inputs(dataset: Dataset) -> list[dict[str, Tensor]]:
    """What the runs cycle through: inputs of single samples, ready in memory."""
    return [tensors(dataset, index) for index in range(min(dataset.samples, DISTINCT_SAMPLES))]


def time_in_turn(
    engines: Sequence[Engine],
    inputs: Sequence[Mapping[str, Tensor]],
    *,
    rounds: int,
    now_ns: Callable[[], int] = time.perf_counter_ns,
    on_round: Callable[[], None] = lambda: None,
) -> list[Times]:
    """The median microseconds of a run of each engine in each round, in the order of ``engines``.

    Every round begins with another engine, so that none always follows the same one.
    """
    runs = [_runs_for(engine, inputs, now_ns) for engine in engines]
    taken: list[list[float]] = [[] for _ in engines]
    for number in range(rounds):
        for place in range(len(engines)):
            index = (number + place) % len(engines)
            durations = _durations(engines[index], inputs, runs[index], now_ns)
            taken[index].append(percentile(durations, 0.5))
        on_round()
    return [tuple(times) for times in taken]


def _runs_for(engine: Engine, inputs: Sequence[Mapping[str, Tensor]], now_ns: Callable[[], int]) -> int:
    """How many runs fill a turn; warms the engine up on the way."""
    once_us = percentile(_durations(engine, inputs, WARM_UP_RUNS, now_ns), 0.5)
    return min(MAX_RUNS, max(1, math.ceil(SEGMENT_US / max(once_us, 1.0))))


def _durations(
    engine: Engine, inputs: Sequence[Mapping[str, Tensor]], runs: int, now_ns: Callable[[], int]
) -> list[float]:
    durations = []
    for run in range(runs):
        begin = now_ns()
        engine.run(inputs[run % len(inputs)])
        durations.append((now_ns() - begin) / NS_PER_US)
    return durations
