"""How close two sets of outputs are, whatever they mean."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.metrics.classes import first_class
from compiler.metrics.cosine import similarities
from edge_bundle.contract import Metric
from edge_bundle.proof import AgreementProof


def agreement(outputs: NDArray[Any], reference: NDArray[Any], metric: Metric) -> AgreementProof:
    """Outputs [samples, ...] against the fp32 model's, in float64; first answers unless ``metric`` is one of values."""
    got, want = outputs.astype(np.float64), reference.astype(np.float64)
    difference = np.abs(got - want)
    return AgreementProof(
        top1=None if metric.of_values else _equal_first(outputs, reference),
        cosine=math.fsum(similarities(got, want).tolist()) / len(got),
        sqnr_db=sqnr_db(got, want),
        mean_abs_diff=float(difference.mean()),
        max_abs_diff=float(difference.max()),
    )


def sqnr_db(got: NDArray[np.float64], want: NDArray[np.float64]) -> float | None:
    """Signal to quantization noise over everything, in decibels; ``None`` without noise, 0 without a signal."""
    noise, signal = float(np.square(got - want).sum()), float(np.square(want).sum())
    if noise == 0.0:
        return None
    return 10.0 * math.log10(signal / noise) if signal > 0.0 else 0.0


def _equal_first(outputs: NDArray[Any], reference: NDArray[Any]) -> float | None:
    """The share of equal first answers; ``None`` where a sample is no row of several numbers."""
    if sum(size > 1 for size in outputs.shape[1:]) != 1:
        return None
    return int(np.count_nonzero(first_class(outputs) == first_class(reference))) / len(outputs)
