"""Types of ONNX values as types of the graph IR, and back."""

from __future__ import annotations

import onnx
from onnx import helper

from compiler.ir.graph import ValueType
from edge_bundle.tensor import DType

DTYPES: dict[int, DType] = {
    onnx.TensorProto.BOOL: DType.BOOL,
    onnx.TensorProto.UINT8: DType.UINT8,
    onnx.TensorProto.UINT16: DType.UINT16,
    onnx.TensorProto.UINT32: DType.UINT32,
    onnx.TensorProto.UINT64: DType.UINT64,
    onnx.TensorProto.INT8: DType.INT8,
    onnx.TensorProto.INT16: DType.INT16,
    onnx.TensorProto.INT32: DType.INT32,
    onnx.TensorProto.INT64: DType.INT64,
    onnx.TensorProto.FLOAT16: DType.FP16,
    onnx.TensorProto.FLOAT: DType.FP32,
    onnx.TensorProto.DOUBLE: DType.FP64,
}
"""Element types of ONNX that have a name here; strings, bfloat16, 8-bit floats and 4-bit integers have none."""

CODES: dict[DType, int] = {dtype: code for code, dtype in DTYPES.items()}
"""The element type of each dtype, as attributes such as ``Cast``'s ``to`` have it."""


def proto_of(kind: ValueType) -> onnx.TypeProto:
    """The ONNX type of a tensor."""
    return helper.make_tensor_type_proto(CODES[kind.dtype], kind.shape)


def open_dimensions(proto: onnx.TypeProto) -> list[int] | None:
    """The places of dimensions without a size; ``None`` if not even the rank is known."""
    tensor = proto.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [index for index, dim in enumerate(tensor.shape.dim) if not dim.HasField("dim_value")]


def static_type(proto: onnx.TypeProto) -> ValueType | None:
    """The type of a tensor, ``None`` if a dimension is open or the dtype has no name here."""
    dtype = DTYPES.get(proto.tensor_type.elem_type)
    if dtype is None or open_dimensions(proto) != []:
        return None
    return ValueType(dtype, tuple(dim.dim_value for dim in proto.tensor_type.shape.dim))


def words(proto: onnx.TypeProto) -> str:
    """What a value is, for messages: ``tensor of bfloat16``, ``sequence``."""
    kind = proto.WhichOneof("value")
    if kind is None:
        return "no type"
    if kind != "tensor_type":
        return str(kind).removesuffix("_type")
    return f"tensor of {dtype_name(proto.tensor_type.elem_type)}"


def dtype_name(code: int) -> str:
    """An element type as ONNX calls it, or its number if it has no name there."""
    known = code in onnx.TensorProto.DataType.values()
    return onnx.TensorProto.DataType.Name(code).lower() if known else f"number {code}"
