"""A TFLite model as bytes (schema version 3). The same model gives the same bytes.

Written with the low-level builder: the generated object API aligns buffers to one byte, but the schema asks for 16
(``force_align: 16``), which kernels that read int32 biases and XNNPACK rely on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.tflite.model import Operation, Options, Quant, Tensor, TfliteModel
from compiler.tflite.schema import code, member, new_builder, schema
from compiler.tflite.versions import version_of
from edge_bundle.tensor import DType

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
BUFFER_ALIGNMENT = 16
"""Bytes; ``force_align`` of ``Buffer.data`` in the schema."""

_LAST_SHORT_CODE = 127
"""``deprecated_builtin_code`` is one byte; larger codes stand in ``builtin_code`` alone."""

_DESCRIPTION = "Skerry"

_TYPES: Mapping[DType, str] = {
    DType.FP32: "FLOAT32", DType.FP64: "FLOAT64", DType.FP16: "FLOAT16", DType.BOOL: "BOOL",
    DType.INT8: "INT8", DType.INT16: "INT16", DType.INT32: "INT32", DType.INT64: "INT64",
    DType.UINT8: "UINT8", DType.UINT16: "UINT16", DType.UINT32: "UINT32", DType.UINT64: "UINT64",
}  # fmt: skip


def to_bytes(model: TfliteModel) -> bytes:
    """The flatbuffer."""
    generated = schema()
    builder = new_builder(_size_hint(model))
    buffers, buffer_of = _buffers(builder, model.tensors)
    codes, code_of = _codes(builder, model)
    subgraph = _subgraph(builder, model, buffer_of, code_of)
    subgraphs = _offsets(builder, generated.ModelStartSubgraphsVector, [subgraph])
    description = builder.CreateString(_DESCRIPTION)
    generated.ModelStart(builder)
    generated.ModelAddVersion(builder, SCHEMA_VERSION)
    generated.ModelAddOperatorCodes(builder, codes)
    generated.ModelAddSubgraphs(builder, subgraphs)
    generated.ModelAddDescription(builder, description)
    generated.ModelAddBuffers(builder, buffers)
    builder.Finish(generated.ModelEnd(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _size_hint(model: TfliteModel) -> int:
    """The builder copies all it has each time that it grows."""
    return 1024 + sum(tensor.data.nbytes + 128 for tensor in model.tensors if tensor.data is not None)


def _buffers(builder: Any, tensors: Sequence[Tensor]) -> tuple[int, list[int]]:
    """The vector of buffers, and the buffer of each tensor; equal bytes are stored once, buffer 0 is empty."""
    generated, places = schema(), {b"": 0}
    buffer_of = []
    for tensor in tensors:
        data = b"" if tensor.data is None else np.ascontiguousarray(tensor.data).tobytes()
        buffer_of.append(places.setdefault(data, len(places)))
    made = []
    for data in places:
        vector = _aligned(builder, data) if data else 0
        generated.BufferStart(builder)
        if data:
            generated.BufferAddData(builder, vector)
        made.append(generated.BufferEnd(builder))
    return _offsets(builder, generated.ModelStartBuffersVector, made), buffer_of


def _aligned(builder: Any, data: bytes) -> int:
    builder.StartVector(1, len(data), BUFFER_ALIGNMENT)
    head = builder.head - len(data)
    builder.head = head
    builder.Bytes[head : head + len(data)] = data
    offset: int = builder.EndVector()
    return offset


def _codes(builder: Any, model: TfliteModel) -> tuple[int, list[int]]:
    """The vector of operator codes, and the place in it of each operation's code."""
    generated = schema()
    wanted = [(operation.op, version_of(operation, model.tensors)) for operation in model.operations]
    places = {pair: place for place, pair in enumerate(dict.fromkeys(wanted))}
    made = []
    for op, version in places:
        number = code(op)
        generated.OperatorCodeStart(builder)
        generated.OperatorCodeAddDeprecatedBuiltinCode(builder, min(number, _LAST_SHORT_CODE))
        generated.OperatorCodeAddVersion(builder, version)
        generated.OperatorCodeAddBuiltinCode(builder, number)
        made.append(generated.OperatorCodeEnd(builder))
    return _offsets(builder, generated.ModelStartOperatorCodesVector, made), [places[pair] for pair in wanted]


def _subgraph(builder: Any, model: TfliteModel, buffer_of: Sequence[int], code_of: Sequence[int]) -> int:
    generated = schema()
    tensors = [_tensor(builder, tensor, buffer) for tensor, buffer in zip(model.tensors, buffer_of, strict=True)]
    operations = [_operation(builder, one, number) for one, number in zip(model.operations, code_of, strict=True)]
    tensor_vector = _offsets(builder, generated.SubGraphStartTensorsVector, tensors)
    operation_vector = _offsets(builder, generated.SubGraphStartOperatorsVector, operations)
    inputs, outputs = _integers(builder, model.inputs), _integers(builder, model.outputs)
    name = builder.CreateString("main")
    generated.SubGraphStart(builder)
    generated.SubGraphAddTensors(builder, tensor_vector)
    generated.SubGraphAddInputs(builder, inputs)
    generated.SubGraphAddOutputs(builder, outputs)
    generated.SubGraphAddOperators(builder, operation_vector)
    generated.SubGraphAddName(builder, name)
    made: int = generated.SubGraphEnd(builder)
    return made


def _tensor(builder: Any, tensor: Tensor, buffer: int) -> int:
    generated = schema()
    shape, name = _integers(builder, tensor.shape), builder.CreateString(tensor.name)
    quantization = _quantization(builder, tensor)
    generated.TensorStart(builder)
    generated.TensorAddShape(builder, shape)
    generated.TensorAddType(builder, member("TensorType", _TYPES[tensor.dtype]))
    generated.TensorAddBuffer(builder, buffer)
    generated.TensorAddName(builder, name)
    if quantization:
        generated.TensorAddQuantization(builder, quantization)
    generated.TensorAddHasRank(builder, True)  # tells a scalar from an unknown shape
    made: int = generated.TensorEnd(builder)
    return made


def _quantization(builder: Any, tensor: Tensor) -> int:
    if tensor.quant is None:
        return 0
    generated, held = schema(), tensor.quant
    if isinstance(held, Quant):
        scale, zero, axis = np.array([held.scale], np.float32), np.array([held.zero_point], np.int64), 0
    else:
        scale, zero, axis = held.scale, np.zeros(held.scale.shape, np.int64), held.axis
    scales, zeros = builder.CreateNumpyVector(scale), builder.CreateNumpyVector(zero)
    generated.QuantizationParametersStart(builder)
    generated.QuantizationParametersAddScale(builder, scales)
    generated.QuantizationParametersAddZeroPoint(builder, zeros)
    generated.QuantizationParametersAddQuantizedDimension(builder, axis)
    made: int = generated.QuantizationParametersEnd(builder)
    return made


def _operation(builder: Any, operation: Operation, number: int) -> int:
    generated = schema()
    inputs, outputs = _integers(builder, operation.inputs), _integers(builder, operation.outputs)
    options = _options(builder, operation.options) if operation.options else 0
    generated.OperatorStart(builder)
    generated.OperatorAddOpcodeIndex(builder, number)
    generated.OperatorAddInputs(builder, inputs)
    generated.OperatorAddOutputs(builder, outputs)
    if operation.options:
        generated.OperatorAddBuiltinOptionsType(builder, member("BuiltinOptions", operation.options.table))
        generated.OperatorAddBuiltinOptions(builder, options)
    made: int = generated.OperatorEnd(builder)
    return made


def _options(builder: Any, options: Options) -> int:
    """The generated object of the table; vectors in it are of int32."""
    made = getattr(schema(), f"{options.table}T")()
    for name, value in options.values.items():
        if not hasattr(made, name):
            raise AttributeError(f"{options.table} has no field {name!r}")
        setattr(made, name, list(value) if isinstance(value, tuple) else value)
    offset: int = made.Pack(builder)
    return offset


def _integers(builder: Any, values: Sequence[int]) -> int:
    array: NDArray[np.int32] = np.array(values, dtype=np.int32)
    offset: int = builder.CreateNumpyVector(array)
    return offset


def _offsets(builder: Any, start: Callable[[Any, int], Any], made: Sequence[int]) -> int:
    start(builder, len(made))
    for offset in reversed(made):
        builder.PrependUOffsetTRelative(offset)
    vector: int = builder.EndVector()
    return vector
