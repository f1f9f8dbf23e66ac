"""ONNX enters and is rewritten here, and nowhere else (lint forbids ``import onnx`` in every other file).

Models cross this module's boundary as bytes and ``Graph`` summaries, so that no pass can depend on protobuf objects.
Sources: ONNX IR specification (https://github.com/onnx/onnx/blob/main/docs/IR.md), Operators.md, Versioning.md.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import onnx  # noqa: TID251 - this is the one file that may
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import checker, numpy_helper, shape_inference, version_converter  # noqa: TID251

from compiler.graph import Graph
from compiler.ir.graph import Attribute, IrGraph, Node, ValueType, constant_type
from compiler.one_line import one_line
from edge_bundle.errors import CompileError, InvalidInputError, LimitExceededError
from edge_bundle.tensor import DYNAMIC, MAX_RANK, DType, TensorSpec

T = TypeVar("T")

MAX_MODEL_BYTES = (1 << 31) - 1
"""Largest ONNX file (protobuf: a serialised message is smaller than 2 GiB)."""

MAX_NODES = 100_000
"""Most nodes of one model, subgraphs included; the largest edge models here have below 1,000."""

MAX_OPSET = 26
"""Newest ai.onnx opset accepted (design, section 4)."""

MIN_OPSET = 13
"""QuantizeLinear and DequantizeLinear take per-channel scales since opset 13; older models are converted."""

_DTYPES: dict[int, DType] = {
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
_EXPORT_AGAIN = "the file is truncated or is not ONNX; export it again"
_NODE_IN_TEXT = re.compile(r"\(op_type: ?(?P<operator>[^,)]+)(?:, node name: ?(?P<node>[^)]*))?\)")
"""How onnx's shape inference names a node."""

_ONNX_FAULTS = (checker.ValidationError, shape_inference.InferenceError, RuntimeError, ValueError, TypeError)
"""What onnx's C++ parts raise for a bad model (measured over the broken inputs in the tests)."""


def read_file(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        InvalidInputError: it cannot be read, is empty, or is not ONNX.
        LimitExceededError: it is larger than ``MAX_MODEL_BYTES``.

    """
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise LimitExceededError(what=str(path), limit=MAX_MODEL_BYTES, got=size, unit="bytes")
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            file=str(path), expected="a readable ONNX file", got=error.strerror or str(error)
        ) from error
    if not data:
        raise InvalidInputError(file=str(path), expected="an ONNX model", got="an empty file")
    if isinstance(found := _decode(data), str):
        raise InvalidInputError(file=str(path), expected="an ONNX model", got=found, advice=_EXPORT_AGAIN)
    return data


def summarise(data: bytes, *, stage: str) -> Graph:
    """Check a model completely and summarise it. This is the IR check that runs after every pass.

    Raises:
        CompileError: not ONNX, too new, external data, another operator domain, model-local functions, an invalid
            node, or an input or output that is not a tensor of known rank and dtype.

    """
    model = _parse(data, stage)
    opset = _check_opset(model, stage)
    _check_self_contained(model, stage)
    _check_domains(model, stage)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_spec(value, stage) for value in model.graph.input if value.name not in constants)
    outputs = tuple(_spec(value, stage) for value in model.graph.output)
    _guard(lambda: checker.check_model(model, full_check=True), stage)
    return Graph(
        model=data,
        ir_version=model.ir_version,
        opset=opset,
        inputs=inputs,
        outputs=outputs,
        op_counts=dict(sorted(Counter(node.op_type for node in _nodes(model.graph)).items())),
        parameters=sum(math.prod(tensor.dims) for tensor in _tensors(model.graph)),
    )


def bind_dimensions(data: bytes, shapes: Mapping[str, tuple[int, ...]], *, stage: str) -> bytes:
    """Replace open dimensions of the inputs by the fixed ones in ``shapes`` (input name -> shape).

    A dimension stays open where ``shapes`` has ``-1``. A symbol (``dim_param``) is replaced wherever it occurs.

    Raises:
        CompileError: one symbol would get two sizes.

    """
    model = _parse(data, stage)
    symbols: dict[str, int] = {}
    for value in model.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            _bind(dim, size, symbols, where=value.name, stage=stage)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if symbols.get(dim.dim_param, DYNAMIC) != DYNAMIC:
                dim.dim_value = symbols[dim.dim_param]
    return _bytes(model)


def normalise(data: bytes, *, stage: str) -> bytes:
    """Opset at least 13, no overridable or dead initialisers, inferred shapes, a unique name on every node."""
    model = _parse(data, stage)
    if _check_opset(model, stage) < MIN_OPSET:
        old = model
        model = _guard(lambda: version_converter.convert_version(old, MIN_OPSET), stage)
    _drop_overridable_inputs(model.graph)
    _drop_dead_initialisers(model.graph)
    model = _guard(
        lambda: shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True), stage
    )
    _name_nodes(model.graph)
    return _canonical(model)


def canonicalise(data: bytes, *, stage: str) -> bytes:
    """The same model with one spelling: sorted nodes and initialisers, inferred shapes, one opset, no free text."""
    model = _parse(data, stage)
    del model.graph.value_info[:]
    _drop_dead_initialisers(model.graph)
    _sort_nodes(model.graph)
    model = _guard(
        lambda: shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True), stage
    )
    _name_nodes(model.graph)
    return _canonical(model)


def expose_activations(data: bytes, *, stage: str) -> tuple[bytes, tuple[str, ...]]:
    """The model with every float value of the main graph as an output, and their names.

    Values must have inferred types (``canonicalise`` first); those of subgraphs stay inside.
    """
    model = _parse(data, stage)
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    inner = [value for value in model.graph.value_info if value.type.tensor_type.elem_type in floats]
    names = [value.name for value in model.graph.output if value.type.tensor_type.elem_type in floats]
    made = {name for node in model.graph.node for name in node.output} - set(names)
    inner = [value for value in inner if value.name in made]
    model.graph.output.extend(inner)
    return _bytes(model), (*names, *(value.name for value in inner))


def read_graph(
    data: bytes, *, batch: int, dims: Mapping[str, int], bind: Mapping[str, NDArray[Any]], stage: str
) -> IrGraph:
    """The model as the compiler's own graph, every shape static.

    ``batch`` is given to dimension 0 of inputs where it is open, ``dims`` to symbolic dimensions by name; inputs named
    in ``bind`` become constants.

    Raises:
        CompileError: a shape stays open, or a value is no tensor of a known dtype.

    """
    model = _parse(data, stage)
    for value in list(model.graph.input):
        if value.name in bind:
            model.graph.initializer.append(numpy_helper.from_array(bind[value.name], value.name))
            model.graph.input.remove(value)
            continue
        for index, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                size = dims.get(dim.dim_param, batch if index == 0 else DYNAMIC)
                if size == DYNAMIC:
                    raise CompileError(stage=stage, detail=f"input {value.name!r}: dimension {index} is open")
                dim.dim_value = size
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    model = _guard(lambda: shape_inference.infer_shapes(model, strict_mode=True, data_prop=True), stage)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    types = {name: constant_type(array) for name, array in constants.items()}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        spec = _spec(value, stage)
        types.setdefault(value.name, ValueType(spec.dtype, spec.shape))
    _name_nodes(model.graph)
    return IrGraph(
        inputs=tuple(value.name for value in model.graph.input if value.name not in constants),
        outputs=tuple(value.name for value in model.graph.output),
        nodes=tuple(_ir_node(node) for node in model.graph.node),
        types=types,
        constants=constants,
        opset=_check_opset(model, stage),
    )


def _ir_node(node: onnx.NodeProto) -> Node:
    attrs: dict[str, Attribute] = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            attrs[attribute.name] = numpy_helper.to_array(value)
        elif isinstance(value, bytes):
            attrs[attribute.name] = value.decode()
        elif isinstance(value, int | float):
            attrs[attribute.name] = value
        else:
            attrs[attribute.name] = tuple(item.decode() if isinstance(item, bytes) else item for item in value)
    return Node(op=node.op_type, name=node.name, inputs=tuple(node.input), outputs=tuple(node.output), attrs=attrs)


def to_proto(data: bytes, *, stage: str) -> onnx.ModelProto:
    """The parsed model, for a foreign tool that wants the object (ONNX Runtime's quantizer)."""
    return _parse(data, stage)


def from_proto(model: onnx.ModelProto) -> bytes:
    """Deterministic bytes of a model that a foreign tool made."""
    return _bytes(model)


def _parse(data: bytes, stage: str) -> onnx.ModelProto:
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


def _bind(dim: onnx.TensorShapeProto.Dimension, size: int, symbols: dict[str, int], *, where: str, stage: str) -> None:
    """Fix one nameless dimension, or note the size of its symbol."""
    if dim.HasField("dim_value"):
        return
    if not dim.dim_param:
        if size != DYNAMIC:
            dim.dim_value = size
        return
    known = symbols.setdefault(dim.dim_param, size)
    if known != size:
        raise CompileError(
            stage=stage,
            detail=f"input {where!r}: expected symbol {dim.dim_param!r} to have one size, got {known} and {size}",
            advice="give both dimensions the same size in the contract",
        )


def _check_opset(model: onnx.ModelProto, stage: str) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1:
        raise CompileError(stage=stage, detail=f"expected one ai.onnx opset, got {versions}")
    if not 1 <= versions[0] <= MAX_OPSET:
        raise CompileError(
            stage=stage,
            detail=f"expected opset 1 to {MAX_OPSET}, got {versions[0]}",
            advice=f"export the model with opset {MAX_OPSET} or older",
        )
    return int(versions[0])


def _check_self_contained(model: onnx.ModelProto, stage: str) -> None:
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise CompileError(
                stage=stage,
                detail=f"expected weights inside the file, got tensor {tensor.name!r} stored outside it",
                advice="save the model as one file: onnx.save(model, path, save_as_external_data=False)",
            )


def _check_domains(model: onnx.ModelProto, stage: str) -> None:
    if model.functions:
        raise CompileError(
            stage=stage,
            detail=f"expected no model-local functions, got {model.functions[0].name!r}",
            advice="inline them first: onnx.inliner.inline_local_functions(model)",
        )
    for count, node in enumerate(_nodes(model.graph)):
        if count >= MAX_NODES:
            raise LimitExceededError(what="model", limit=MAX_NODES, got=count + 1, unit="nodes")
        if node.domain not in ("", "ai.onnx"):
            raise CompileError(
                stage=stage,
                node=node.name or node.output[0],
                operator=f"{node.domain}.{node.op_type}",
                detail=f"expected operators of ai.onnx, got domain {node.domain!r}",
                advice="export the model with standard ONNX operators only",
            )


def _guard(call: Callable[[], T], stage: str) -> T:
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


def _spec(value: onnx.ValueInfoProto, stage: str) -> TensorSpec:
    tensor = value.type.tensor_type
    dtype = _DTYPES.get(tensor.elem_type)
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


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _graphs(inner)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for inner in _graphs(graph):
        yield from inner.node


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    for inner in _graphs(graph):
        yield from inner.initializer
        for node in inner.node:
            for attribute in node.attribute:
                yield from attribute.tensors
                if attribute.HasField("t"):
                    yield attribute.t


def _drop_overridable_inputs(graph: onnx.GraphProto) -> None:
    """Since IR 4 an initialiser that is also an input is a default value; the contract decides what is an input."""
    constants = {tensor.name for tensor in graph.initializer}
    kept = [value for value in graph.input if value.name not in constants]
    del graph.input[:]
    graph.input.extend(kept)


def _drop_dead_initialisers(graph: onnx.GraphProto) -> None:
    used = {name for node in _nodes(graph) for name in node.input}
    used |= {value.name for inner in _graphs(graph) for value in inner.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _sort_nodes(graph: onnx.GraphProto) -> None:
    """Topological order (IR.md, "Nodes"); nodes that are ready keep their order, so sorting again changes nothing."""
    maker = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needs = [{maker[name] for name in _reads(node) if name in maker} for node in graph.node]
    users: dict[int, list[int]] = {}
    for index, made_by in enumerate(needs):
        for other in made_by:
            users.setdefault(other, []).append(index)
    ready = [index for index, made_by in enumerate(needs) if not made_by]
    order = []
    while ready:
        index = heapq.heappop(ready)
        order.append(graph.node[index])
        for user in users.get(index, ()):
            needs[user].discard(index)
            if not needs[user]:
                heapq.heappush(ready, user)
    if len(order) == len(graph.node):  # a cycle is left to the checker, which names it
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in order]
        del graph.node[:]
        graph.node.extend(copies)


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Values that a node reads, those captured by its subgraphs included."""
    yield from node.input
    for attribute in node.attribute:
        for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            for nested in inner.node:
                yield from _reads(nested)
            yield from (value.name for value in inner.output)


def _name_nodes(graph: onnx.GraphProto) -> None:
    taken = Counter(node.name for node in graph.node)
    seen: set[str] = set()
    for index, node in enumerate(graph.node):
        if not node.name or node.name in seen:
            name = f"{node.op_type}_{index}"
            while name in taken or name in seen:
                name += "_"
            node.name = name
        seen.add(node.name)


def _canonical(model: onnx.ModelProto) -> bytes:
    for inner in _graphs(model.graph):
        inner.doc_string = ""
        for node in inner.node:
            node.doc_string = ""
            del node.metadata_props[:]
    initialisers = sorted(model.graph.initializer, key=lambda tensor: tensor.name)
    values = sorted(model.graph.value_info, key=lambda value: value.name)
    del model.graph.initializer[:], model.graph.value_info[:], model.metadata_props[:], model.graph.metadata_props[:]
    model.graph.initializer.extend(initialisers)
    model.graph.value_info.extend(values)
    version = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    del model.opset_import[:]
    model.opset_import.add(domain="", version=version)
    model.graph.name = "model"
    model.doc_string = model.domain = model.producer_version = ""
    model.producer_name = "skerry"
    model.model_version = 0
    return _bytes(model)


def _bytes(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))
