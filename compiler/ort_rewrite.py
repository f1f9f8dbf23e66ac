"""ONNX Runtime's graph optimiser as a rewriter: model bytes in, plain ONNX out.

Only the "basic" level is used: semantics-preserving rewrites that stay inside the ai.onnx operators
(https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html). One thread, no arena.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from compiler.graph import Graph
from compiler.importer import onnx_rewrite, summary
from edge_bundle.errors import CompileError
from edge_runtime.one_line import one_line
from edge_runtime.quiet_import import import_quietly

onnxruntime = import_quietly("onnxruntime")
ort_errors = import_quietly("onnxruntime.capi.onnxruntime_pybind11_state")

ORT_FAULTS = (
    ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.InvalidGraph, ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented, ort_errors.RuntimeException, ort_errors.NoSuchFile,
)  # fmt: skip
"""What a session raises for a model it cannot take; these classes share no base but ``Exception``."""

LOG_FATAL = 4
_NODE = re.compile(r"[Nn]ode(?: with name|:)?\s*[('\"]+([^'\")]+)")
_OPERATOR = re.compile(r"implementation for (\w+)\(|for the node \S+:(\w+)\(|Op(?:erator)? ?\(?(\w+)\)")


def session_options() -> Any:
    """Options for sessions that only transform or calibrate: one thread, silent."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_FATAL
    return options


def rewrite(graph: Graph, *, stage: str, without: tuple[str, ...] = ()) -> Graph:
    """The graph after ONNX Runtime's basic optimisations, except the optimisers named in ``without``.

    Raises:
        CompileError: ONNX Runtime refuses the model; names the node and operator where it does.

    """
    with tempfile.TemporaryDirectory(prefix="skerry-") as folder:
        target = Path(folder) / "rewritten.onnx"
        options = session_options()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        open_session(graph.model, options, stage=stage, without=without)
        data = target.read_bytes()
    return summary.summarise(onnx_rewrite.canonicalise(data, stage=stage), stage=stage)


def open_session(model: bytes, options: Any, *, stage: str, without: tuple[str, ...] = ()) -> Any:
    """A CPU session.

    Raises:
        CompileError: ONNX Runtime refuses the model.

    """
    try:
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(without) or None
        )
    except ORT_FAULTS as error:
        raise refused(error, stage=stage) from error


def refused(error: Exception, *, stage: str) -> CompileError:
    """ONNX Runtime's complaint as ours, with the node and operator that its text names."""
    text = str(error)
    node, operator = _NODE.search(text), _OPERATOR.search(text)
    return CompileError(
        stage=stage,
        node=node.group(1) if node else "",
        operator=next((group for group in operator.groups() if group), "") if operator else "",
        detail=f"ONNX Runtime refuses the model: {one_line(error)}",
        advice="use operators that ONNX Runtime's CPU provider implements, or a newer onnxruntime",
    )
