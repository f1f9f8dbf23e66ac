"""The complete check of a model, and a summary of it."""

from __future__ import annotations

import math
from collections import Counter

import onnx
from onnx import checker

from compiler.graph import Graph
from compiler.importer.model_file import MAX_NODES, check_opset, guard, nodes, parse, spec_of, tensors
from edge_bundle.errors import CompileError, LimitExceededError


def summarise(data: bytes, *, stage: str) -> Graph:
    """Check a model completely and summarise it. This is the IR check that runs after every pass.

    Raises:
        CompileError: not ONNX, too new, external data, another operator domain, model-local functions, an invalid
            node, or an input or output that is not a tensor of known rank and dtype.

    """
    model = parse(data, stage)
    opset = check_opset(model, stage)
    check_self_contained(model, stage)
    _check_domains(model, stage)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(spec_of(value, stage) for value in model.graph.input if value.name not in constants)
    outputs = tuple(spec_of(value, stage) for value in model.graph.output)
    guard(lambda: checker.check_model(model, full_check=True), stage)
    return Graph(
        model=data,
        ir_version=model.ir_version,
        opset=opset,
        inputs=inputs,
        outputs=outputs,
        op_counts=dict(sorted(Counter(node.op_type for node in nodes(model.graph)).items())),
        parameters=sum(math.prod(tensor.dims) for tensor in tensors(model.graph)),
    )


def check_self_contained(model: onnx.ModelProto, stage: str) -> None:
    """Hold that every tensor is in the file.

    Raises:
        CompileError: one is stored outside it.

    """
    for tensor in tensors(model.graph):
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
    for count, node in enumerate(nodes(model.graph)):
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
