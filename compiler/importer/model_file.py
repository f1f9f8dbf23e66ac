"""ONNX files become parsed models here, checked for size and version.

Sources: ONNX IR specification (https://github.com/onnx/onnx/blob/main/docs/IR.md), Versioning.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import checker, shape_inference

from compiler.importer.value_types import DTYPES
from edge_bundle.errors import CompileError, InvalidInputError, LimitExceededError
from edge_bundle.regular_file import read_regular
from edge_bundle.tensor import DYNAMIC, MAX_RANK, TensorSpec
from edge_runtime.one_line import one_line

T = TypeVar("T")

MAX_MODEL_BYTES = (1 << 31) - 1
"""Largest ONNX file (protobuf: a serialised message is smaller than 2 GiB)."""

MAX_NODES = 100_000
"""Most nodes of one model, subgraphs included; the largest edge models here have below 1,000."""

MAX_OPSET = 26
"""Newest ai.onnx opset accepted (design, section 4)."""

MIN_OPSET = 13
"""QuantizeLinear and DequantizeLinear take per-channel scales since opset 13; older models are converted."""

ONNX_DOMAINS = ("", "ai.onnx")
"""Both names of the standard operators' domain."""

OPSET_ADVICE = f"export the model with opset {MAX_OPSET} or older"

_EXPORT_AGAIN = "the file is truncated or is not ONNX; export it again"
_NODE_IN_TEXT = re.compile(r"\(op_type: ?(?P<operator>[^,)]+)(?:, node name: ?(?P<node>[^)]*))?\)")
"""How onnx's shape inference names a node."""

_ONNX_FAULTS = (
    checker.ValidationError, shape_inference.InferenceError, IndexError, RuntimeError, ValueError, TypeError,
)  # fmt: skip
"""What onnx's C++ parts raise for a bad model (measured over the broken inputs in the tests)."""


def read_file(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        InvalidInputError: it cannot be read, is empty, or is not ONNX.
        LimitExceededError: it is larger than ``MAX_MODEL_BYTES``.

    """
    try:
        data = read_regular(path, max_bytes=MAX_MODEL_BYTES)
    except OSError as error:
        raise InvalidInputError(
            file=str(path), expected="a readable ONNX file", got=error.strerror or str(error)
        ) from error
    if not data:
        raise InvalidInputError(file=str(path), expected="an ONNX model", got="an empty file")
    if isinstance(found := _decode(data), str):
        raise InvalidInputError(file=str(path), expected="an ONNX model", got=found, advice=_EXPORT_AGAIN)
    return data


def to_proto(data: bytes, *, stage: str) -> onnx.ModelProto:
    """The parsed model, for who wants to look into it."""
    return parse(data, stage)


def from_proto(model: onnx.ModelProto) -> bytes:
    """Deterministic bytes of a parsed model."""
    return bytes(model.SerializeToString(deterministic=True))


def parse(data: bytes, stage: str) -> onnx.ModelProto:
    """A model from its bytes.

    Raises:
        CompileError: the bytes are no model.

    """
    if isinstance(found := _decode(data), str):
        raise CompileError(stage=stage, detail=f"expected an ONNX model, got {found}", advice=_EXPORT_AGAIN)
    return found


def _decode(data: bytes) -> onnx.ModelProto | str:
    """The model, or what the bytes are instead of one."""
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError):
        return f"{len(data)} bytes that do not parse as one"
    if model.ir_version < 1 or not model.HasField("graph"):
        return "a file without a graph"
    return model


def check_opset(model: onnx.ModelProto, stage: str) -> int:
    """The version of ai.onnx that the model asks for.

    Raises:
        CompileError: there is none, or it is newer than ``MAX_OPSET``.

    """
    versions = [int(entry.version) for entry in model.opset_import if entry.domain in ONNX_DOMAINS]
    if len(versions) != 1:
        raise _opset_fault(model, versions, stage)
    if not 1 <= versions[0] <= MAX_OPSET:
        raise CompileError(
            stage=stage, detail=f"expected opset 1 to {MAX_OPSET}, got {versions[0]}", advice=OPSET_ADVICE
        )
    return versions[0]


def _opset_fault(model: onnx.ModelProto, versions: Sequence[int], stage: str) -> CompileError:
    """No version of ai.onnx, or several; names what there is."""
    others = ", ".join(sorted({repr(entry.domain) for entry in model.opset_import} - {*map(repr, ONNX_DOMAINS)}))
    if versions:
        got, advice = " and ".join(map(str, versions)), "export the model again with one opset"
    else:
        got, advice = f"only {others}" if others else "none", "export the model with operators of ai.onnx"
    return CompileError(stage=stage, detail=f"expected one opset of ai.onnx, got {got}", advice=advice)


def guard(call: Callable[[], T], stage: str) -> T:
    """What ``call`` gives; a fault of onnx becomes a ``CompileError`` that names the node."""
    try:
        return call()
    except _ONNX_FAULTS as error:
        named = _NODE_IN_TEXT.search(str(error))
        raise CompileError(
            stage=stage,
            node=(named["node"] or "") if named else "",
            operator=named["operator"] if named else "",
            detail=one_line(error),
            advice="the model breaks the ONNX specification; check it with onnx.checker and export it again",
        ) from error


def spec_of(value: onnx.ValueInfoProto, stage: str) -> TensorSpec:
    """Name, dtype and shape of an input or output; open dimensions are ``-1``.

    Raises:
        CompileError: it is no tensor of a known dtype and rank.

    """
    tensor = value.type.tensor_type
    dtype = DTYPES.get(tensor.elem_type)
    if not value.type.HasField("tensor_type") or dtype is None or not tensor.HasField("shape"):
        raise CompileError(
            stage=stage,
            detail=f"expected {value.name!r} to be a tensor of a known dtype and rank, "
            f"got {value.type.WhichOneof('value') or 'no type'}",
        )
    if len(tensor.shape.dim) > MAX_RANK:
        raise LimitExceededError(what=f"{value.name!r}", limit=MAX_RANK, got=len(tensor.shape.dim), unit="dimensions")
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else DYNAMIC for dim in tensor.shape.dim)
    return TensorSpec(name=value.name, dtype=dtype, shape=shape)


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from graphs(inner)


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those of subgraphs included."""
    for inner in graphs(graph):
        yield from inner.node


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor: initialisers and attributes."""
    for inner in graphs(graph):
        yield from inner.initializer
        for node in inner.node:
            for attribute in node.attribute:
                yield from attribute.tensors
                if attribute.HasField("t"):
                    yield attribute.t
