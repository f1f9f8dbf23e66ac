"""The types of a node's outputs, by ONNX's own inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import defs, helper, shape_inference

from compiler.importer.call import Call
from compiler.importer.model_file import guard
from compiler.importer.tensors import small_tensor
from compiler.importer.value_types import DTYPES, open_dimensions, proto_of, static_type, words
from compiler.importer.windows import check_windows, transposed_type, version_of_shapes
from compiler.ir.graph import ValueType
from edge_bundle.errors import CompileError

_BY_DATA = frozenset({"Compress", "NonMaxSuppression", "NonZero", "StringSplit", "Unique"})
"""Operators that give as many elements as they find."""


def schema_of(call: Call, version: int | None = None) -> defs.OpSchema:
    """The operator's definition in its own version, or in another.

    Raises:
        UnsupportedOperatorError: ONNX has no such operator in this version.

    """
    try:
        return defs.get_schema(call.op, version or call.version, call.proto.domain.removeprefix("ai.onnx"))
    except defs.SchemaError:
        raise call.refuse(f"opset {call.version} of ai.onnx has no such operator") from None


def infer(call: Call) -> dict[int, ValueType]:
    """The type of each output that is not left out, by its place.

    Raises:
        CompileError: the node breaks the operator's rules, or a shape is not known before the model runs.
        UnsupportedOperatorError: an output is no tensor of a known dtype.

    """
    version = version_of_shapes(call)
    schema = schema_of(call, version)
    proto, types, data = call.proto, {}, {}
    for name, value in zip(proto.input, call.inputs, strict=False):
        if value:
            types[name] = proto_of(call.scope.values.types[value])
            array = call.scope.values.constants.get(value)
            if array is not None and (tensor := small_tensor(array, name)) is not None:
                data[name] = tensor
    opsets = [helper.make_opsetid("", version)]
    try:
        found = guard(
            lambda: shape_inference.infer_node_outputs(schema, proto, types, data, opset_imports=opsets),
            call.scope.stage,
        )
    except CompileError as error:
        raise call.fault(error.detail, advice=error.advice) from error
    check_windows(call)
    own = _OWN.get(call.op)
    if own is not None and (kind := own(call)) is not None:
        found[call.outputs[0]] = proto_of(kind)
    return {index: _known(call, name, found.get(name)) for index, name in enumerate(call.outputs) if name}


def _as_input(call: Call) -> ValueType:
    return call.type_of(0)


def _max_unpool(call: Call) -> ValueType | None:
    shape = call.constant(2)
    return None if shape is None else ValueType(call.type_of(0).dtype, tuple(int(size) for size in shape))


def _stft(call: Call) -> ValueType | None:
    """ONNX's inference leaves ``onesided`` out in some forms; frames and bins as in Operators.md."""
    step, length = call.constant(1), call.constant(3)
    size = length if length is not None else np.array(call.type_of(2).size) if call.input(2) else None
    if step is None or size is None:
        return None
    batch, samples = call.type_of(0).shape[:2]
    points, hop = (int(one.reshape(-1)[0]) if one.size == 1 else 0 for one in (size, step))
    if min(points, hop) < 1 or points > samples:
        raise call.fault(f"expected frames of 1 to {samples} samples at least 1 apart, got {points} and {hop}")
    frames = 1 + (samples - points) // hop
    bins = points // 2 + 1 if call.attrs.get("onesided", 1) else points
    return ValueType(call.type_of(0).dtype, (batch, frames, bins, 2))


_OWN: Mapping[str, Callable[[Call], ValueType | None]] = {
    "ConvTranspose": transposed_type,
    "GroupNormalization": _as_input,
    "MaxUnpool": _max_unpool,
    "MeanVarianceNormalization": _as_input,
    "STFT": _stft,
}
"""Operators whose inference ONNX leaves out or has wrong, at least for some uses."""


def _known(call: Call, name: str, proto: onnx.TypeProto | None) -> ValueType:
    if proto is None or proto.WhichOneof("value") is None:
        raise call.refuse(f"the type of its output {name!r} is not known before the model runs")
    if not proto.HasField("tensor_type") or proto.tensor_type.elem_type not in DTYPES:
        raise call.refuse(f"expected outputs that are tensors of a dtype in use, got {name!r}, a {words(proto)}")
    kind = static_type(proto)
    if kind is not None and min(kind.shape, default=0) < 0:
        raise call.fault(f"expected sizes of at least 0, got {kind} for output {name!r}")
    if kind is not None:
        return kind
    if call.op in _BY_DATA:
        raise call.refuse("the shape of its output depends on the data")
    where = open_dimensions(proto)
    what = "its rank" if where is None else f"dimension {where[0]}"
    unknown = [value for value in call.inputs if value and value not in call.scope.values.constants]
    raise call.fault(
        f"expected a static shape of output {name!r}, got one where {what} depends on {', '.join(map(repr, unknown))}",
        advice="fix the sizes that it is computed from, with --dim NAME=SIZE, or make that input a constant",
    )
