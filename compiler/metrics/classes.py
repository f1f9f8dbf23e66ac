"""How many classes, or which numbers, the scored output has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import row_shape
from edge_bundle.contract import TensorRule
from edge_bundle.errors import InvalidInputError


def class_count(rule: TensorRule, *, file: str) -> int:
    """The number of scores in a row of the output; dimensions of one beside them are allowed.

    Raises:
        InvalidInputError: the output is no row of scores; ``file`` names the contract.

    """
    row = row_shape(rule)
    counts = [size for size in row if size != 1] or [1]
    if not row or len(counts) > 1:
        raise InvalidInputError(
            file=file,
            key="accuracy.output",
            expected="an output of shape [batch, classes]",
            got=f"{rule.name!r} of shape {list(rule.shape)}",
            advice="score another output, or by another metric: mae, cosine, exact-match or function",
        )
    return counts[0]


def by_class(outputs: NDArray[np.generic]) -> NDArray[np.generic]:
    """Outputs of any such shape as [samples, classes]."""
    return outputs.reshape(len(outputs), -1)


def first_class(outputs: NDArray[np.generic]) -> NDArray[np.int64]:
    """The class with the highest score in each row; the first of equals."""
    return np.asarray(np.argmax(by_class(outputs), axis=1), dtype=np.int64)
