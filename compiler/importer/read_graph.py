"""ONNX bytes become the compiler's own graph: every shape static, constants folded, functions expanded.

What the graph is after it: values have one flat namespace, constants stand with the main graph, every operator has the
form of its newest version (``dialect.py``), and float64 is float32 inside (``compiler/ir/demote.py``).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import version_converter

from compiler.importer.bindings import Bindings, bound_inputs
from compiler.importer.call import Scope
from compiler.importer.model_file import MAX_NODES, MIN_OPSET, check_opset, guard, nodes, parse
from compiler.importer.reader import Reader
from compiler.importer.summary import check_self_contained
from compiler.importer.tensors import initial_array
from compiler.importer.unused import without_unused_outputs
from compiler.importer.value_types import CODES, words
from compiler.importer.values import Values
from compiler.ir.demote import demote_float64
from compiler.ir.graph import IrGraph
from compiler.ir.outputs import named_outputs
from compiler.ir.prune import prune
from edge_bundle.errors import CompileError, LimitExceededError, UnsupportedOperatorError

OLDEST_READ = 7
"""Older models broadcast by attributes; they are converted to ``MIN_OPSET`` first (Broadcasting.md)."""


def read_graph(
    data: bytes,
    *,
    batch: int,
    dims: Mapping[str, int],
    bind: Mapping[str, NDArray[Any]],
    stage: str,
    native: Collection[str] | None = None,
) -> IrGraph:
    """The model as the compiler's own graph, every shape static.

    ``batch`` is given to dimension 0 of inputs where it is open, ``dims`` to symbolic dimensions by name (or by
    ``input:index`` where they have none); inputs named in ``bind`` become constants. Operators that are not in
    ``native`` are expanded by the bodies that ONNX gives for them; ``None`` expands only functions of the model.

    Raises:
        CompileError: a shape stays open or depends on data, or the model breaks a rule of ONNX.
        UnsupportedOperatorError: sequences, strings, sparse tensors, other operator domains.
        LimitExceededError: too many nodes or dimensions.

    """
    model = _current(parse(data, stage), stage)
    check_self_contained(model, stage)
    _check_size(model.graph)
    values = Values()
    scope = Scope(values=values, opsets=_opsets(model), stage=stage, nodes=[])
    inputs = _define_inputs(model.graph, scope, Bindings(batch=batch, dims=dims, bind=bind))
    functions = {(one.domain, one.name): one for one in model.functions}
    Reader(functions, native).read_all(model.graph.node, scope)
    if not model.graph.output:
        raise CompileError(stage=stage, detail="graph: expected at least one output, got none")
    outputs = {value.name: _output(value, scope) for value in model.graph.output}
    graph = IrGraph(
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        nodes=tuple(scope.nodes),
        types=values.types,
        constants=values.constants,
        opset=check_opset(model, stage),
    )
    return prune(demote_float64(without_unused_outputs(prune(named_outputs(graph, outputs)))))


def _current(model: onnx.ModelProto, stage: str) -> onnx.ModelProto:
    if check_opset(model, stage) >= OLDEST_READ:
        return model
    return guard(lambda: version_converter.convert_version(model, MIN_OPSET), stage)


def _check_size(graph: onnx.GraphProto) -> None:
    """Bodies count as often as they stand there; reading each node takes 0.2 ms, so that this is looked at first."""
    count = sum(1 for _ in itertools.islice(nodes(graph), MAX_NODES + 1))
    if count > MAX_NODES:
        raise LimitExceededError(what="model", limit=MAX_NODES, got=count, unit="nodes")


def _opsets(model: onnx.ModelProto) -> dict[str, int]:
    return {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in model.opset_import}


def _define_inputs(graph: onnx.GraphProto, scope: Scope, given: Bindings) -> list[str]:
    """Initialisers and inputs become values; gives the inputs that are left. One that is both is a constant."""
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise UnsupportedOperatorError(
            operator="initializer", node=name, stage=scope.stage, reason="expected dense tensors, got a sparse one"
        )
    values = scope.values
    initial = {tensor.name for tensor in graph.initializer}
    free = [value for value in graph.input if value.name not in initial]
    left = []
    for name, found in bound_inputs(free, given, scope.stage).items():
        if isinstance(found, np.ndarray):
            scope.define_constant(name, found)
            continue
        left.append(scope.define(name, found))
        if found.size == 0:  # nothing can be read from it
            scope.names[name] = values.add_constant(f"{name}/empty", np.empty(found.shape, found.dtype.numpy_name))
    for tensor in graph.initializer:
        scope.define_constant(tensor.name, initial_array(tensor, scope.stage))
    return left


def _output(value: onnx.ValueInfoProto, scope: Scope) -> str:
    found = scope.find(value.name)
    if not found:
        raise CompileError(
            stage=scope.stage,
            detail=f"output {value.name!r}: expected a value that a node gives, got {words(value.type)}",
        )
    declared, dtype = value.type.tensor_type.elem_type, scope.values.types[found].dtype
    if value.type.HasField("tensor_type") and declared not in (onnx.TensorProto.UNDEFINED, CODES[dtype]):
        raise CompileError(
            stage=scope.stage,
            detail=f"output {value.name!r}: expected {words(value.type)} as declared, got {dtype.value}",
        )
    return found
