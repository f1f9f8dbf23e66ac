"""Quantized models end to end: the stored integers are those of ONNX Runtime, bit for bit."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import onnx  # noqa: TID251
import pytest
from numpy.typing import NDArray
from onnx import helper  # noqa: TID251

from benchmarks.wasm.models import Precision, graph, inputs
from compiler.wasm.compile import WasmModule, compile_module
from compiler.wasm_tools.instance import run_module
from edge_runtime.quiet_import import import_quietly

MODELS = Path(__file__).parents[4] / "shared" / "models"

pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason="the real models (../shared/models) are not here")

NAMES = ("kws", "ic", "ad", "mobilenetv2")
ROWS = 12


@functools.cache
def quantized(name: str) -> tuple[bytes, WasmModule]:
    """The QDQ graph that ends at its last stored value, and its module."""
    model = onnx.load_model_from_string(graph(name, Precision.INT8))
    last = [node for node in model.graph.node if node.op_type == "QuantizeLinear"][-1]
    kind = helper.make_tensor_value_info(last.output[0], onnx.TensorProto.UINT8, None)
    del model.graph.output[:]
    model.graph.output.append(kind)
    data = model.SerializeToString()
    return data, compile_module(data)


def expected(data: bytes, rows: list[dict[str, NDArray[Any]]]) -> list[NDArray[Any]]:
    """What ONNX Runtime gives."""
    runtime = import_quietly("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return [session.run(None, row)[0] for row in rows]


@pytest.mark.parametrize("name", NAMES)
def test_stored_values_are_those_of_onnxruntime(name: str) -> None:
    data, module = quantized(name)
    rows = [dict(row) for row in inputs(name)[:ROWS]]
    for row, want in zip(rows, expected(data, rows), strict=True):
        (got,) = run_module(module, row).values()
        assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_agree(name: str) -> None:
    data = graph(name, Precision.INT8)
    module = compile_module(data)
    rows = [dict(row) for row in inputs(name)[:ROWS]]
    for row, want in zip(rows, expected(data, rows), strict=True):
        (got,) = run_module(module, row).values()
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_falls_back_to_float(name: str) -> None:
    module = compile_module(graph(name, Precision.INT8))
    floats = [step.name for step in module.info.steps if "f32" in step.op and "softmax" not in step.op]
    assert not floats
    parameters = len(module.weights)
    assert parameters <= 1.1 * len(graph(name, Precision.INT8)) + 4096
