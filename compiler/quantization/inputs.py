"""Whether a calibration set can say anything about ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_bundle.errors import InvalidInputError

MIN_SAMPLES = 4
"""Fewest calibration samples: with less, one odd sample is a range. Tens are usual, hundreds are better."""


def check_inputs(arrays: Mapping[str, NDArray[Any]], samples: int, *, file: str) -> None:
    """Hold that there are enough samples, and that they differ.

    A single input may be the same in all samples (a fixed mask), as long as not all inputs are. An input that is one
    and the same number throughout is refused where nothing else varies either.

    Raises:
        InvalidInputError: names the array, and what to do.

    """
    if samples < MIN_SAMPLES:
        raise InvalidInputError(
            file=file,
            key=next(iter(arrays), ""),
            expected=f"at least {MIN_SAMPLES} calibration samples",
            got=f"{samples}",
            advice="give some tens of typical inputs: ranges come from what is seen here",
        )
    floats = {name: array for name, array in arrays.items() if array.dtype.kind == "f"} or dict(arrays)
    if not any(_varies(array) for array in floats.values()):
        name, array = next(iter(floats.items()))
        what = (
            f"the number {array.flat[0]:g} throughout" if array.size and _flat(array) else "the same sample each time"
        )
        raise InvalidInputError(
            file=file,
            key=name,
            expected="samples that differ",
            got=what,
            advice="calibrate with real inputs of the kind that the model will see",
        )


def _varies(array: NDArray[Any]) -> bool:
    return bool(np.any(array != array[:1]))


def _flat(array: NDArray[Any]) -> bool:
    return bool(np.all(array == array.flat[0]))
