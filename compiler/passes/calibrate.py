"""Pass 5, calibrate: the range of every float activation over the calibration set. One calibration serves all targets.

Requires: a fused graph; a calibration set when a profile is int8.
Ensures: 1. every float activation of the graph has a finite range ``(lowest, highest)``.

Ranges are plain minimum and maximum over the samples, run one at a time, unoptimised, on one thread: the result does
not depend on the machine's core count.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from compiler.compilation import Compilation, need
from compiler.dataset import Dataset
from compiler.graph import Graph
from compiler.importer import onnx_rewrite
from compiler.ort_rewrite import ORT_FAULTS, onnxruntime, open_session, refused, session_options
from compiler.passes.ensures import ensure
from compiler.progress import Progress

NAME = "calibrate"

MAX_SAMPLES = 512
"""Most calibration samples used; min-max ranges of the models here no longer move beyond a few hundred."""


def run(state: Compilation, progress: Progress) -> Compilation:
    """Measure the ranges, if any profile is int8.

    Raises:
        InvalidInputError: there is no calibration set.
        CompileError: ONNX Runtime cannot run the model.

    """
    if not any(profile.precision.calibrated for profile in state.request.candidates):
        return state
    dataset = need(state.sources.calibration, "calibration set")
    chosen = choose_samples(dataset.samples, seed=state.request.seed)
    progress.start(NAME, len(chosen))
    ranges = measure(state.current, dataset, chosen, progress)
    progress.done()
    return replace(state, ranges=ranges)


def check(state: Compilation) -> None:
    """Rule 1."""
    for name, (low, high) in state.ranges.items():
        ensure(math.isfinite(low) and math.isfinite(high) and low <= high, stage=NAME, promise=f"range of {name!r}")


def choose_samples(samples: int, *, seed: int) -> list[int]:
    """All samples, or ``MAX_SAMPLES`` of them drawn by raw PCG64 output (a stream that numpy promises to keep)."""
    if samples <= MAX_SAMPLES:
        return list(range(samples))
    keys = np.asarray(np.random.PCG64(seed).random_raw(samples))
    return sorted(np.argsort(keys, kind="stable")[:MAX_SAMPLES].tolist())


def measure(graph: Graph, dataset: Dataset, chosen: list[int], progress: Progress) -> dict[str, tuple[float, float]]:
    """Ranges by tensor name, inputs included."""
    model, names = onnx_rewrite.expose_activations(graph.model, stage=NAME)
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = open_session(model, options, stage=NAME)
    ranges: dict[str, tuple[float, float]] = {}
    for index in chosen:
        row = dataset.row(index)
        try:
            values = dict(zip(names, session.run(list(names), row), strict=True))
        except ORT_FAULTS as error:
            raise refused(error, stage=NAME) from error
        for name, value in (*values.items(), *row.items()):
            if np.issubdtype(value.dtype, np.floating) and value.size:
                low, high = ranges.get(name, (math.inf, -math.inf))
                ranges[name] = (min(low, float(value.min())), max(high, float(value.max())))
        progress.advance()
    return dict(sorted(ranges.items()))
