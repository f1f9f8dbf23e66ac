"""Rewrites of a model that stay in ONNX: bytes in, bytes out."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, shape_inference, version_converter

from compiler.importer.model_file import MIN_OPSET, check_opset, from_proto, graphs, guard, nodes, parse
from edge_bundle.errors import CompileError
from edge_bundle.tensor import DYNAMIC


def bind_dimensions(
    data: bytes, shapes: Mapping[str, tuple[int, ...]], dims: Mapping[str, int] | None = None, *, stage: str
) -> bytes:
    """Replace open dimensions of the inputs by the fixed ones in ``shapes`` (input name -> shape) and ``dims``.

    A dimension stays open where ``shapes`` has ``-1``. A symbol (``dim_param``) is replaced wherever it occurs, be it
    named in ``dims`` or found to stand where ``shapes`` has a size.

    Raises:
        CompileError: one symbol would get two sizes, or no input has a symbol of that name.

    """
    model = parse(data, stage)
    symbols: dict[str, int] = dict(dims or {})
    known = {dim.dim_param for value in model.graph.input for dim in value.type.tensor_type.shape.dim} - {""}
    for name in sorted(symbols.keys() - known):
        names = ", ".join(sorted(known)) or "none"
        raise CompileError(stage=stage, detail=f"expected a symbolic dimension of the inputs ({names}), got {name!r}")
    for value in model.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            _bind(dim, size, symbols, where=value.name, stage=stage)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if symbols.get(dim.dim_param, DYNAMIC) != DYNAMIC:
                dim.dim_value = symbols[dim.dim_param]
    return from_proto(model)


def fix_outputs(data: bytes, shapes: Mapping[str, tuple[int, ...]], *, stage: str) -> bytes:
    """Write sizes into open dimensions of the outputs (output name -> shape); ``-1`` leaves one open."""
    model = parse(data, stage)
    for value in model.graph.output:
        for dim, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            if size != DYNAMIC and not dim.HasField("dim_value"):
                dim.dim_value = size
    return from_proto(model)


def normalise(data: bytes, *, stage: str) -> bytes:
    """Opset at least 13, no overridable or dead initialisers, inferred shapes, a unique name on every node."""
    model = parse(data, stage)
    if check_opset(model, stage) < MIN_OPSET:
        old = model
        model = guard(lambda: version_converter.convert_version(old, MIN_OPSET), stage)
    _drop_overridable_inputs(model.graph)
    _drop_dead_initialisers(model.graph)
    model = guard(lambda: shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True), stage)
    name_nodes(model.graph)
    return _canonical(model)


def at_most_opset(data: bytes, newest: int, *, stage: str) -> bytes:
    """The same model in opset ``newest`` where it is of a newer one, for tools that lag behind.

    Raises:
        CompileError: an operator is used in a way that the older opset does not have; names the node.

    """
    model = parse(data, stage)
    if check_opset(model, stage) <= newest:
        return data
    return from_proto(guard(lambda: version_converter.convert_version(model, newest), stage))


def canonicalise(data: bytes, *, stage: str) -> bytes:
    """The same model with one spelling: sorted nodes and initialisers, inferred shapes, one opset, no free text."""
    model = parse(data, stage)
    del model.graph.value_info[:]
    _drop_dead_initialisers(model.graph)
    _sort_nodes(model.graph)
    model = guard(lambda: shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True), stage)
    name_nodes(model.graph)
    return _canonical(model)


def expose_activations(data: bytes, *, stage: str) -> tuple[bytes, tuple[str, ...]]:
    """The model with every float value of the main graph as an output, and their names.

    Values must have inferred types (``canonicalise`` first); those of subgraphs stay inside.
    """
    model = parse(data, stage)
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    inner = [value for value in model.graph.value_info if value.type.tensor_type.elem_type in floats]
    names = [value.name for value in model.graph.output if value.type.tensor_type.elem_type in floats]
    made = {name for node in model.graph.node for name in node.output} - set(names)
    inner = [value for value in inner if value.name in made]
    model.graph.output.extend(inner)
    return from_proto(model), (*names, *(value.name for value in inner))


def limit_stored(data: bytes, highest: int, *, stage: str) -> bytes:
    """A ``Clip`` before each per-tensor ``QuantizeLinear`` to ``uint8``, so that none stores more than ``highest``.

    Where stored values are only moved, and keep their scale, they are limited already.
    """
    model = parse(data, stage)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    kept = []
    for node in model.graph.node:
        scale, zero = (arrays.get(name) for name in (*node.input[1:3], "", "")[:2])
        if node.op_type == "QuantizeLinear" and scale is not None and zero is not None and _bounded(zero, highest):
            source = makers.get(node.input[0])
            if source is None or source.op_type not in _MOVES:
                bound = np.float32((highest - int(zero)) * np.float32(scale))
                kept.append(_upper_clip(model.graph, node, bound))
        kept.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    return from_proto(model)


_MOVES = frozenset({
    "Flatten", "Gather", "MaxPool", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
})  # fmt: skip


def _bounded(zero: NDArray[Any], highest: int) -> bool:
    return zero.dtype == np.uint8 and zero.size == 1 and int(zero) <= highest


def _upper_clip(graph: onnx.GraphProto, node: onnx.NodeProto, bound: np.float32) -> onnx.NodeProto:
    """Put a ``Clip`` from above in front of the node's first input."""
    name, limit = f"{node.output[0]}_limited", f"{node.output[0]}_limit"
    graph.initializer.append(numpy_helper.from_array(np.asarray(bound, dtype=np.float32), limit))
    clip = onnx.helper.make_node("Clip", [node.input[0], "", limit], [name], name=f"{node.name}_limit")
    node.input[0] = name
    return clip


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
            advice="--dim and the contract have to give a symbol the same size, wherever it stands",
        )


def _drop_overridable_inputs(graph: onnx.GraphProto) -> None:
    """Since IR 4 an initialiser that is also an input is a default value; the contract decides what is an input."""
    constants = {tensor.name for tensor in graph.initializer}
    kept = [value for value in graph.input if value.name not in constants]
    del graph.input[:]
    graph.input.extend(kept)


def _drop_dead_initialisers(graph: onnx.GraphProto) -> None:
    used = {name for node in nodes(graph) for name in node.input}
    used |= {value.name for inner in graphs(graph) for value in inner.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _sort_nodes(graph: onnx.GraphProto) -> None:
    """Topological order (IR.md, "Nodes"); nodes that are ready keep their order, so sorting again changes nothing."""
    maker = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needs = [{maker[name] for name in reads(node) if name in maker} for node in graph.node]
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


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Values that a node reads, those captured by its subgraphs included."""
    yield from node.input
    for attribute in node.attribute:
        for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            for nested in inner.node:
                yield from reads(nested)
            yield from (value.name for value in inner.output)


def name_nodes(graph: onnx.GraphProto) -> None:
    """Give a unique name to every node that has none."""
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
    for inner in graphs(model.graph):
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
    return from_proto(model)
