"""Whether a model's numbers are numbers."""

from __future__ import annotations

import numpy as np
import onnx

from compiler.importer.model_file import parse, tensors
from compiler.importer.tensors import initial_array
from edge_bundle.errors import CompileError

_FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE})


def check_weights(data: bytes, *, stage: str) -> None:
    """Hold that no weight is NaN. Infinity may be meant: masks and open bounds are made of it.

    Raises:
        CompileError: one is; no sample could make up for it.

    """
    for tensor in tensors(parse(data, stage).graph):
        if tensor.data_type not in _FLOATS:
            continue
        array = initial_array(tensor, stage)
        if odd := int(np.isnan(array).sum()):
            raise CompileError(
                stage=stage,
                detail=f"tensor {tensor.name!r}: expected numbers, got NaN in {odd:,} of {array.size:,}",
                advice="the training diverged, or the export went wrong: export a sound checkpoint",
            )
