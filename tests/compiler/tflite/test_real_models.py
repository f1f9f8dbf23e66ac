"""The shared models, float and quantized by ONNX Runtime's quantizer, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.importer import model_file
from compiler.tflite.write import make_model, write_tflite
from tests.compiler.models import REAL_MODELS
from tests.compiler.tflite.running import graph_of, operators, run_onnx, run_tflite

FILES = {
    "kws": "kws_dscnn/kws_fp32.onnx",
    "kws with batch norms": "kws_dscnn/kws_fp32_bn.onnx",
    "ic": "ic_resnet8/ic_fp32.onnx",
    "ad": "ad_autoencoder/ad_fp32.onnx",
    "mobilenetv2": "mobilenetv2/mobilenet_v2_fp32.onnx",
}
pytestmark = pytest.mark.skipif(not REAL_MODELS.is_dir(), reason=f"no {REAL_MODELS}")


@pytest.mark.parametrize("name", FILES)
def test_float(name: str) -> None:
    graph = graph_of(model_file.to_proto((REAL_MODELS / FILES[name]).read_bytes(), stage="test"))
    spec = graph.inputs[0]
    feed = {spec.name: np.random.default_rng(2).normal(size=(1, *spec.shape[1:])).astype(np.float32)}
    wanted, found = run_onnx(graph, feed), run_tflite(write_tflite(graph), feed)
    for output, array in wanted.items():
        np.testing.assert_allclose(found[output], array, rtol=1e-3, atol=1e-5)
    assert operators(make_model(graph)).count("TRANSPOSE") <= 1


def test_silero() -> None:
    path = REAL_MODELS / "silero_vad/silero_vad_16k_op15.onnx"
    graph = graph_of(model_file.to_proto(path.read_bytes(), stage="test"))
    rng = np.random.default_rng(2)
    feed = {
        "input": rng.normal(size=(1, 576)).astype(np.float32) * 0.1,
        "state": rng.normal(size=(2, 1, 128)).astype(np.float32),
        "sr": np.array(16000, np.int64),
    }
    wanted = run_onnx(graph, feed)
    found = run_tflite(write_tflite(graph, dims={"sequence": 576}), feed)
    for output, array in wanted.items():
        np.testing.assert_allclose(found[output], array, rtol=1e-4, atol=1e-5)
