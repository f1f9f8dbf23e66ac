"""Engine latency of a batch of one: percentiles over single runs after a warm-up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from compiler.dataset import Dataset
from compiler.measuring.runner import tensors
from edge_bundle.proof import LatencyProof
from edge_runtime.engine import Engine

WARM_UP_RUNS = 20
"""Runs before timing: lazy allocations and caches settle within the first few."""

DISTINCT_SAMPLES = 64
"""Different evaluation samples that the timed runs cycle through."""

NS_PER_US = 1000.0


def measure_latency(
    engine: Engine, dataset: Dataset, *, runs: int, now_ns: Callable[[], int] = time.perf_counter_ns
) -> LatencyProof:
    """Time ``runs`` runs, inputs ready in memory; ``now_ns`` is a monotonic clock in nanoseconds."""
    inputs = [tensors(dataset, index) for index in range(min(dataset.samples, DISTINCT_SAMPLES))]
    for run in range(WARM_UP_RUNS):
        engine.run(inputs[run % len(inputs)])
    durations = []
    for run in range(runs):
        begin = now_ns()
        engine.run(inputs[run % len(inputs)])
        durations.append((now_ns() - begin) / NS_PER_US)
    return LatencyProof(
        p50_us=percentile(durations, 0.50),
        p90_us=percentile(durations, 0.90),
        p99_us=percentile(durations, 0.99),
        runs=runs,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile: the smallest value that at least ``share`` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
