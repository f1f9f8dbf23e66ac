"""Contexts to open: made once by the vendor's compiler where it is installed, and hand-made wrappers without it."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import onnx  # noqa: TID251 - wrappers that break a rule are made here, never by the package
import pytest
from onnx import helper  # noqa: TID251

from compiler.qnn.context import CompiledContext, compile_context
from edge_bundle.tensor import DType, TensorSpec
from edge_runtime.engine import EngineSource
from edge_runtime.qnn.files import INDEX_FILE, Context, ContextIndex, context_file, write_index
from edge_runtime.qnn.target import SOCS, HtpTarget
from tests.edge_runtime.qnn import networks

needs_toolchain = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime_qnn") is None,
    reason="onnxruntime-qnn is not installed: pip install 'skerry[qnn]'",
)

V73 = HtpTarget("v73", SOCS["SM8550"])
V68 = HtpTarget("v68", SOCS["QCM6490"])

IMAGE = TensorSpec(name="image", dtype=DType.FP32, shape=(-1, 1, 8, 8))
SCORES = TensorSpec(name="scores", dtype=DType.FP32, shape=(-1, 4))


@cache
def compiled(batch: int = 1, target: HtpTarget = V73, *, softmax: bool = False) -> CompiledContext:
    """A small quantized network, compiled."""
    return compile_context(networks.quantized(batch, softmax=softmax), target, profile="test")


def index(target: HtpTarget = V73, batches: tuple[int, ...] = (1,), **changes: Any) -> ContextIndex:
    fields: dict[str, Any] = {
        "htp_arch": target.arch,
        "soc": target.soc.name,
        "soc_model": target.soc.model,
        "sdk_version": compiled(1, target).wrapper.sdk_version,
        "contexts": tuple(Context(batch=batch, file=context_file(batch)) for batch in batches),
    }
    return ContextIndex(**{**fields, **changes})


def source(target: HtpTarget = V73, batches: tuple[int, ...] = (1,), **changes: Any) -> EngineSource:
    """A variant of the small network."""
    files = {context_file(batch): compiled(batch, target).data for batch in batches}
    fields: dict[str, Any] = {
        "runtime": "qnn",
        "files": {**files, INDEX_FILE: write_index(index(target, batches))},
        "entrypoint": INDEX_FILE,
        "inputs": (IMAGE,),
        "outputs": (SCORES,),
        "options": {"htp-arch": target.arch, "soc": target.soc.name},
    }
    return EngineSource(**{**fields, **changes})


def context_node(**changes: Any) -> onnx.NodeProto:
    """A context node as the compiler writes it; ``None`` leaves an attribute out."""
    attributes = {
        "main_context": 1,
        "ep_cache_context": b"\x00\x01\xff binary",
        "is_multi_soc_ep_context": 0,
        "embed_mode": 1,
        "source": "QNNExecutionProvider",
        "ep_sdk_version": "v2.51.0.1",
        "partition_name": "part",
    }
    kept = {name: value for name, value in {**attributes, **changes}.items() if value is not None}
    return helper.make_node("EPContext", ["x"], ["y"], name="context", domain="com.microsoft", **kept)


def wrapper(*nodes: onnx.NodeProto, note: str = "v2:6:2.51.0:5.51.0:73:43:0:0") -> onnx.ModelProto:
    """A wrapper of the nodes, with the toolchain's note."""
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy")
    model = helper.make_model(helper.make_graph(list(nodes), "g", [x], [y]))
    helper.set_model_props(model, {"ep_compatibility_info.QNNExecutionProvider": note} if note else {})
    return model
