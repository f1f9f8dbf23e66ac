"""What an ONNX Runtime session says of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edge_bundle.tensor import DType
from edge_runtime.checks import ModelTensor

_DTYPES = {
    "tensor(bool)": DType.BOOL,
    "tensor(uint8)": DType.UINT8,
    "tensor(uint16)": DType.UINT16,
    "tensor(uint32)": DType.UINT32,
    "tensor(uint64)": DType.UINT64,
    "tensor(int8)": DType.INT8,
    "tensor(int16)": DType.INT16,
    "tensor(int32)": DType.INT32,
    "tensor(int64)": DType.INT64,
    "tensor(float16)": DType.FP16,
    "tensor(float)": DType.FP32,
    "tensor(double)": DType.FP64,
}


def declared(tensors: Iterable[Any]) -> list[ModelTensor]:
    """Names, dtypes and shapes as the model declares them; a named or unknown size is ``None``."""
    return [
        ModelTensor(
            name=tensor.name,
            dtype=_DTYPES.get(tensor.type, tensor.type),
            shape=tuple(size if isinstance(size, int) else None for size in tensor.shape),
        )
        for tensor in tensors
    ]
