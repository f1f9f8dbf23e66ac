"""The passes on the real float models: the graph becomes small, and means the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from compiler.importer.read_graph import read_graph
from compiler.wasm.options import WasmOptions
from compiler.wasm.pipeline import run_passes
from edge_runtime.quiet_import import import_quietly
from tests.wasm.interpret import interpret

MODELS = Path(__file__).parents[4] / "shared" / "models"

pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason="the real models (../shared/models) are not here")

CONV, POOL, GEMM = "skerry.conv2d", "skerry.global_pool", "skerry.gemm"
CASES = {
    "kws": ("kws_dscnn/kws_fp32.onnx", {CONV: 9, POOL: 1, "Reshape": 2, GEMM: 1, "Softmax": 1}),
    "kws with batch norms": ("kws_dscnn/kws_fp32_bn.onnx", {CONV: 9, POOL: 1, "Reshape": 2, GEMM: 1, "Softmax": 1}),
    "ic": ("ic_resnet8/ic_fp32.onnx", {CONV: 9, "Transpose": 1, POOL: 1, "Reshape": 1, GEMM: 1, "Softmax": 1}),
    "ad": ("ad_autoencoder/ad_fp32.onnx", {GEMM: 10}),
    "mobilenetv2": (
        "mobilenetv2/mobilenet_v2_fp32.onnx", {CONV: 53, "Transpose": 1, POOL: 1, "Reshape": 1, "Softmax": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "operators"), CASES.values(), ids=CASES.keys())
def test_small_and_the_same(path: str, operators: dict[str, int]) -> None:
    data = (MODELS / path).read_bytes()
    graph = run_passes(read_graph(data, batch=1, dims={}, bind={}, stage="wasm"), WasmOptions())
    assert Counter(node.op for node in graph.nodes) == operators
    session = import_quietly("onnxruntime").InferenceSession(data)
    rng = np.random.default_rng(7)
    inputs = {name: rng.standard_normal(graph.types[name].shape).astype(np.float32) for name in graph.inputs}
    expected = dict(zip(graph.outputs, session.run(list(graph.outputs), inputs), strict=True))
    for name, got in interpret(graph, inputs).items():
        np.testing.assert_allclose(got, expected[name], rtol=1e-4, atol=1e-5 * float(np.abs(expected[name]).max()))
