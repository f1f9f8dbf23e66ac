"""A session's inputs and outputs against the variant's specs, for one batch size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_bundle.tensor import DYNAMIC, DType, TensorSpec
from edge_runtime.checks import ModelTensor, check_model
from edge_runtime.engine import EngineSource

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


def check_tensors(source: EngineSource, session: Any, batch: int) -> None:
    """Hold what the session declares against the specs. Raises ``EngineError`` at the first difference."""
    check_model(
        source,
        _declared(source.inputs, session.get_inputs(), batch),
        _declared(source.outputs, session.get_outputs(), batch),
    )


def _declared(specs: Sequence[TensorSpec], tensors: Sequence[Any], batch: int) -> list[ModelTensor]:
    """A leading dimension of the batch size is open where its spec leaves it open."""
    open_names = {spec.name for spec in specs if spec.shape[:1] == (DYNAMIC,)}
    declared = []
    for tensor in tensors:
        shape = tuple(size if isinstance(size, int) else None for size in tensor.shape)
        if tensor.name in open_names and shape[:1] == (batch,):
            shape = (None, *shape[1:])
        declared.append(ModelTensor(name=tensor.name, dtype=_DTYPES.get(tensor.type, tensor.type), shape=shape))
    return declared
