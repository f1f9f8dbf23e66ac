"""Which version of an operator an operation needs: a runtime that is too old refuses the model by it.

From ``tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc``; what is not listed is of version 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compiler.tflite.model import Operation, Quant, Tensor
from edge_bundle.tensor import DType

_USUAL: Mapping[DType, int] = {DType.INT8: 2, DType.INT16: 3}

_LATER: Mapping[DType, int] = {DType.INT8: 2, DType.INT16: 4}

_VERSIONS: Mapping[str, Mapping[DType, int]] = {
    **dict.fromkeys(
        (
            "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONCATENATION", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MIRROR_PAD",
            "PAD", "PADV2", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "SOFTMAX", "TANH",
        ),
        _USUAL,
    ),
    **dict.fromkeys(("GATHER", "MAXIMUM", "MINIMUM", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE"), _LATER),
    "CONV_2D": {DType.INT8: 3, DType.INT16: 4},
    "DEPTHWISE_CONV_2D": {DType.FP32: 2, DType.INT8: 3, DType.INT16: 5},
    "DEQUANTIZE": {DType.INT8: 2, DType.INT16: 3},
    "FULLY_CONNECTED": {DType.FP32: 5, DType.INT8: 5, DType.INT16: 7},
    "LEAKY_RELU": {DType.INT16: 2},
    "MUL": {DType.INT8: 2, DType.INT16: 4, DType.INT64: 5},
    "STRIDED_SLICE": {DType.INT8: 2, DType.INT16: 2, DType.BOOL: 3},
    "SUB": {DType.INT8: 2, DType.INT16: 5, DType.INT64: 4},
    "TRANSPOSE": {DType.INT8: 2, DType.BOOL: 3, DType.INT16: 5},
    "TRANSPOSE_CONV": {DType.FP32: 3, DType.INT8: 3, DType.INT16: 3},
}  # fmt: skip
"""Operator -> dtype of its data -> version."""

_FIRST: Mapping[str, int] = {"BROADCAST_TO": 2}
"""Operators whose first version was never a builtin one."""

_DATA_INPUT: Mapping[str, int] = {"TRANSPOSE_CONV": 2}
"""Which input is the data; the first, where it is not listed."""

_LARGE_SCALE_MUL = 3
"""``MUL`` whose factors' scales multiply to no less than the result's scale."""

_INT16_QUANTIZE = 2


def version_of(operation: Operation, tensors: Sequence[Tensor]) -> int:
    """The version for the dtype of the operation's data."""
    data = tensors[operation.inputs[_DATA_INPUT.get(operation.op, 0)]]
    made = tensors[operation.outputs[0]]
    version = _VERSIONS.get(operation.op, {}).get(data.dtype, _FIRST.get(operation.op, 1))
    if operation.op == "QUANTIZE" and made.dtype is DType.INT16:
        return _INT16_QUANTIZE
    if operation.op == "MUL" and _scale_grows(tuple(tensors[place] for place in operation.inputs), made):
        return max(version, _LARGE_SCALE_MUL)
    return version


def _scale_grows(factors: tuple[Tensor, ...], made: Tensor) -> bool:
    scales = [tensor.quant.scale for tensor in (*factors, made) if isinstance(tensor.quant, Quant)]
    return len(scales) == 3 and scales[0] * scales[1] >= scales[2]  # noqa: PLR2004  # two factors and the result
