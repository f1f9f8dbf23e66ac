"""Arrays as ONNX tensors, for its inference, and tensors as arrays."""

from __future__ import annotations

from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compiler.importer.model_file import guard
from compiler.importer.value_types import DTYPES, dtype_name
from edge_bundle.errors import UnsupportedOperatorError

MAX_INFERENCE_BYTES = 4096
"""Constants up to this size are shown to shape inference: shapes, axes, scales and pads are far below."""


def small_tensor(array: NDArray[Any], name: str) -> onnx.TensorProto | None:
    """The array as a tensor, ``None`` if it is too large to be a shape or the like."""
    if array.nbytes > MAX_INFERENCE_BYTES:
        return None
    return numpy_helper.from_array(array, name)


def initial_array(tensor: onnx.TensorProto, stage: str) -> NDArray[Any]:
    """An initialiser of a graph or body.

    Raises:
        UnsupportedOperatorError: it is of no dtype in use.
        CompileError: its bytes are not as many as its shape and dtype take.

    """
    if tensor.data_type not in DTYPES:
        raise UnsupportedOperatorError(
            operator="initializer", node=tensor.name, stage=stage,
            reason=f"expected a dtype in use, got {dtype_name(tensor.data_type)}",
        )  # fmt: skip
    array: NDArray[Any] = guard(lambda: numpy_helper.to_array(tensor), stage)
    return array
