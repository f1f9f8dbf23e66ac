"""The ``labels`` of an evaluation set, checked for what a metric needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import LABELS, Dataset
from edge_bundle.errors import InvalidInputError

UNLABELLED = 'or set accuracy.against = "reference" in the contract, to hold answers against the fp32 model\'s'
"""What to do with data that nobody has labelled."""


MAX_LABEL = 2.0**127
"""Largest right answer: a float32 holds it, and the sum of as many squares as there are samples a float64."""


def class_numbers(dataset: Dataset, classes: int, *, file: str) -> NDArray[np.int64]:
    """One class number per sample, in ``[0, classes)``.

    Raises:
        InvalidInputError: there are no labels, they are no whole numbers, or one is out of range.

    """
    expected = f"{dataset.samples} integers, one per sample"
    labels = given(dataset, expected, f"add the right class of every sample as an array called {LABELS!r}", file=file)
    if labels.shape != (dataset.samples,) or labels.dtype.kind not in "iu":
        got = f"{labels.dtype} of shape {labels.shape}"
        raise InvalidInputError(file=file, key=LABELS, expected=expected, got=got)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        got = str(low if low < 0 else high)
        raise InvalidInputError(file=file, key=LABELS, expected=f"class numbers from 0 to {classes - 1}", got=got)
    return labels.astype(np.int64)


def values(dataset: Dataset, row: tuple[int, ...], *, file: str) -> NDArray[np.generic]:
    """The right output of every sample, shape [samples, *row]; rows of one number may also be plain numbers.

    Raises:
        InvalidInputError: there are no labels, or they have another shape, or are no finite numbers.

    """
    shape = (dataset.samples, *row)
    expected = f"numbers of shape {shape}, one output per sample"
    labels = given(dataset, expected, f"add the right output of every sample as an array called {LABELS!r}", file=file)
    plain = labels.shape == (dataset.samples,) and labels.size == np.prod(shape)
    if (labels.shape != shape and not plain) or labels.dtype.kind not in "biuf":
        got = f"{labels.dtype} of shape {labels.shape}"
        raise InvalidInputError(file=file, key=LABELS, expected=expected, got=got)
    if not np.isfinite(labels).all():
        raise InvalidInputError(file=file, key=LABELS, expected="finite numbers", got="NaN or infinity")
    if (largest := max(abs(float(labels.min())), abs(float(labels.max())))) > MAX_LABEL:
        raise InvalidInputError(file=file, key=LABELS, expected=f"numbers up to {MAX_LABEL:.3g}", got=f"{largest:.3g}")
    return labels.reshape(shape)


def given(dataset: Dataset, expected: str, advice: str, *, file: str) -> NDArray[np.generic]:
    """The labels as they are in the file.

    Raises:
        InvalidInputError: there are none.

    """
    if dataset.labels is None:
        raise InvalidInputError(
            file=file, key=LABELS, expected=expected, got="no such array", advice=f"{advice}, {UNLABELLED}"
        )
    return dataset.labels
