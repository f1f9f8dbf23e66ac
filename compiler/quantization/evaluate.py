"""Measured error: values of a quantized graph against those of the float graph, on samples.

SQNR is ``10 log10(sum of squares of the float values / sum of squares of the differences)``, in dB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_expose import expose
from compiler.ort_rewrite import ORT_FAULTS, onnxruntime, open_session, refused, session_options
from compiler.quantization.observed import Row

STAGE = "quantize"

MAX_SQNR_DB = 150.0
"""Reported where nothing differs: float32's own rounding is near it (24 bits, 6.02 dB each)."""

Values = Mapping[str, tuple[NDArray[Any], ...]]
"""Arrays by value name, one per sample."""


def values_of(model: bytes, names: Sequence[str], rows: Sequence[Row], *, fused: bool = False) -> Values:
    """Run the samples; ``fused`` allows ONNX Runtime its integer kernels (an exact graph otherwise).

    Raises:
        CompileError: ONNX Runtime refuses the model.

    """
    options = session_options()
    if not fused:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = open_session(expose(model, names, stage=STAGE), options, stage=STAGE)
    try:
        found = [session.run(list(names), dict(row)) for row in rows]
    except ORT_FAULTS as error:
        raise refused(error, stage=STAGE) from error
    return {name: tuple(sample[index] for sample in found) for index, name in enumerate(names)}


def noise_ratio(reference: Sequence[NDArray[Any]], found: Sequence[NDArray[Any]]) -> float:
    """Power of the differences by power of the reference; 0 where both are nothing but zero."""
    signal = sum(float(np.square(one, dtype=np.float64).sum()) for one in reference)
    noise = sum(
        float(np.square(np.subtract(a, b, dtype=np.float64)).sum()) for a, b in zip(reference, found, strict=True)
    )
    if noise == 0.0:
        return 0.0
    return noise / signal if signal > 0.0 else math.inf


def decibels(ratio: float) -> float:
    """A noise ratio as SQNR in dB, at most ``MAX_SQNR_DB`` either way."""
    floor = 10.0 ** (-MAX_SQNR_DB / 10.0)
    return -10.0 * math.log10(min(max(ratio, floor), 1.0 / floor))


def sqnr_db(reference: Sequence[NDArray[Any]], found: Sequence[NDArray[Any]]) -> float:
    """SQNR over all samples, in dB."""
    return decibels(noise_ratio(reference, found))
