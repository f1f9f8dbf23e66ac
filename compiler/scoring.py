"""Accuracy and agreement from scores: pure numpy, no engine. ``scores`` always has shape [samples, classes]."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.wilson import wilson_interval
from edge_bundle.contract import Contract, Metric
from edge_bundle.errors import InvalidInputError
from edge_bundle.proof import AccuracyProof, AgreementProof


def class_count(contract: Contract, *, file: str) -> int:
    """How many classes the scored output has.

    Raises:
        InvalidInputError: top-1 needs a scored output of shape [batch, classes] (or [classes]).

    """
    rule = next(rule for rule in contract.outputs if rule.name == contract.accuracy.output)
    row = rule.shape[1:] if len(rule.shape) > 1 and rule.shape[0] in (-1, 1) else rule.shape
    if len(row) != 1 or row[0] < 1:
        raise InvalidInputError(
            file=file,
            key="accuracy.output",
            expected="an output of shape [batch, classes]",
            got=f"{rule.name!r} of shape {list(rule.shape)}",
        )
    return row[0]


def top1(scores: NDArray[Any]) -> NDArray[np.int64]:
    """The class with the highest score in each row; the first of equals."""
    return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)


def accuracy(scores: NDArray[Any], labels: NDArray[np.int64]) -> AccuracyProof:
    """Top-1 accuracy with its 95 % Wilson interval."""
    correct, samples = int(np.count_nonzero(top1(scores) == labels)), len(labels)
    low, high = wilson_interval(correct, samples)
    return AccuracyProof(
        metric=Metric.TOP1, correct=correct, samples=samples, value=correct / samples, low=low, high=high
    )


def accuracy_by_slice(
    scores: NDArray[Any], labels: NDArray[np.int64], slices: tuple[str, ...]
) -> dict[str, AccuracyProof]:
    """Accuracy of each slice, sorted by name; empty without slices."""
    names = np.asarray(slices)
    return {str(name): accuracy(scores[names == name], labels[names == name]) for name in sorted(set(slices))}


def agreement(scores: NDArray[Any], reference: NDArray[Any]) -> AgreementProof:
    """How close two sets of scores are, in float64."""
    equal = np.count_nonzero(top1(scores) == top1(reference))
    got, want = scores.astype(np.float64), reference.astype(np.float64)
    difference = np.abs(got - want)
    return AgreementProof(
        top1=int(equal) / len(scores) if scores.shape[1] > 1 else None,
        cosine=_cosine(got, want),
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


def _cosine(got: NDArray[np.float64], want: NDArray[np.float64]) -> float:
    """The mean over rows; two rows of zeros agree, one of zeros and one of others do not."""
    lengths = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
    products = (got * want).sum(axis=1)
    same = np.where((got == want).all(axis=1), 1.0, 0.0)
    return float(np.where(lengths > 0.0, products / np.where(lengths > 0.0, lengths, 1.0), same).mean())
