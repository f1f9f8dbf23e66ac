"""Pass 5, calibrate: what every float activation holds over the calibration set. One calibration serves all targets.

Requires: a fused graph; a calibration set when a profile has quantized activations.
Ensures:
    1. every float32 activation of the graph has a finite range;
    2. the samples are enough, and differ.

Samples run one at a time, unoptimised, on one thread: the result does not depend on the machine's core count.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from compiler.compilation import Compilation, need
from compiler.dataset import Dataset
from compiler.graph import Graph
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from compiler.quantization.inputs import check_inputs
from compiler.quantization.observe import Observer
from compiler.quantization.observed import Observed

NAME = "calibrate"

MAX_SAMPLES = 512
"""Most calibration samples used; ranges of the models here no longer move beyond a few hundred."""


def run(state: Compilation, progress: Progress) -> Compilation:
    """Observe the samples, if any profile has quantized activations.

    Raises:
        InvalidInputError: there is no calibration set, it is too small, or nothing in it varies.
        CompileError: ONNX Runtime cannot run the model.

    """
    if not any(profile.precision.calibrated for profile in state.request.candidates):
        return state
    dataset = need(state.sources.calibration, "calibration set")
    check_inputs(dataset.arrays, dataset.samples, file=str(state.request.calibration_path))
    chosen = choose_samples(dataset.samples, seed=state.request.seed)
    progress.start(NAME, len(chosen))
    observed = measure(state.current, dataset, chosen, progress, seed=state.request.seed)
    progress.done()
    return replace(state, observed=observed)


def check(state: Compilation) -> None:
    """Rule 1; rule 2 raises before the run."""
    for name, seen in state.observed.tensors.items() if state.observed else ():
        holds = math.isfinite(seen.low) and math.isfinite(seen.high) and seen.low <= seen.high
        ensure(holds, stage=NAME, promise=f"range of {name!r}")


def choose_samples(samples: int, *, seed: int) -> list[int]:
    """All samples, or ``MAX_SAMPLES`` of them drawn by raw PCG64 output (a stream that numpy promises to keep)."""
    if samples <= MAX_SAMPLES:
        return list(range(samples))
    keys = np.asarray(np.random.PCG64(seed).random_raw(samples))
    return sorted(np.argsort(keys, kind="stable")[:MAX_SAMPLES].tolist())


def measure(graph: Graph, dataset: Dataset, chosen: list[int], progress: Progress, *, seed: int = 0) -> Observed:
    """What the chosen samples do to the graph's tensors, inputs included."""
    observer = Observer(graph, len(chosen), seed=seed, stage=NAME)
    for index in chosen:
        observer.add(dataset.row(index))
        progress.advance()
    return observer.result()
