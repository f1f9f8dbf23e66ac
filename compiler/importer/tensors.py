"""Arrays as ONNX tensors, for its inference."""

from __future__ import annotations

from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

MAX_INFERENCE_BYTES = 4096
"""Constants up to this size are shown to shape inference: shapes, axes, scales and pads are far below."""


def small_tensor(array: NDArray[Any], name: str) -> onnx.TensorProto | None:
    """The array as a tensor, ``None`` if it is too large to be a shape or the like."""
    if array.nbytes > MAX_INFERENCE_BYTES:
        return None
    return numpy_helper.from_array(array, name)
