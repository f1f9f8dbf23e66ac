"""Float models end to end: ONNX bytes to a module, run under wasmtime, against ONNX Runtime on the same inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.wasm.compile import compile_module
from compiler.wasm.options import WasmOptions
from compiler.wasm_tools.instance import run_module
from edge_runtime.quiet_import import import_quietly

ROOT = Path(__file__).parents[3]
MODELS = ROOT.parent / "shared" / "models"
DIGITS = ROOT / "examples" / "digits" / "digits.onnx"

MAX_PADDING_BYTES = 4096
"""What weights may take beyond those in the file."""

RELATIVE = 1e-4
"""Of the largest output."""

MAX_OVERHEAD_BYTES = 150 << 10
"""What the code of a module may take beyond its weights."""

real = pytest.mark.skipif(not MODELS.is_dir(), reason="the real models (../shared/models) are not here")
CASES = [
    pytest.param(DIGITS, id="digits"),
    *(
        pytest.param(MODELS / path, id=Path(path).stem, marks=real)
        for path in (
            "kws_dscnn/kws_fp32.onnx", "kws_dscnn/kws_fp32_bn.onnx", "ic_resnet8/ic_fp32.onnx",
            "ad_autoencoder/ad_fp32.onnx", "mobilenetv2/mobilenet_v2_fp32.onnx",
        )
    ),
]  # fmt: skip


def session(data: bytes) -> Any:
    """ONNX Runtime on one thread, silent."""
    runtime = import_quietly("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def assert_close(got: NDArray[Any], expected: NDArray[Any]) -> None:
    """Within ``RELATIVE`` of the largest expected element."""
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= RELATIVE * np.abs(expected).max()


@pytest.mark.parametrize("path", CASES)
def test_agrees_with_onnxruntime(path: Path) -> None:
    data = path.read_bytes()
    module = compile_module(data)
    rng = np.random.default_rng(1)
    names = [place.name for place in module.info.outputs]
    for _ in range(2):
        inputs = {p.name: rng.uniform(-1, 1, p.shape).astype(np.float32) for p in module.info.inputs}
        expected = session(data).run(names, inputs)
        for (_, got), want in zip(run_module(module, inputs).items(), expected, strict=True):
            assert_close(got, want)


@pytest.mark.parametrize("path", CASES)
def test_the_code_is_small_and_weights_are_there_once(path: Path) -> None:
    module = compile_module(path.read_bytes())
    assert len(module.code) <= MAX_OVERHEAD_BYTES
    assert len(module.weights) <= path.stat().st_size + MAX_PADDING_BYTES


@pytest.mark.parametrize("path", CASES[:3])
def test_rows_of_a_batch_are_bit_equal_to_single_ones(path: Path) -> None:
    data = path.read_bytes()
    one, many = compile_module(data), compile_module(data, WasmOptions(batch=3))
    assert one.weights == many.weights
    place = many.info.inputs[0]
    x = np.random.default_rng(2).uniform(-1, 1, place.shape).astype(np.float32)
    together = run_module(many, {place.name: x})
    for row in range(3):
        for name, alone in run_module(one, {place.name: x[row : row + 1]}).items():
            assert alone.tobytes() == together[name][row : row + 1].tobytes()


SILERO = {
    "silero_vad.onnx": {"dims": {"input:0": 1, "input:1": 576, "state:1": 1}},
    "silero_vad_16k_op15.onnx": {"dims": {"batch": 1, "sequence": 576}},
    "silero_vad_op18_ifless.onnx": {"dims": {"batch": 1, "sequence": 576}},
}


@real
@pytest.mark.parametrize("file", SILERO)
def test_silero_over_frames_of_speech(file: str) -> None:
    data = (MODELS / "silero_vad" / file).read_bytes()
    rate = np.array(16000, dtype=np.int64)
    module = compile_module(data, WasmOptions(bind={"sr": rate}, dims=SILERO[file]["dims"]))
    reference = session(data)
    speech = np.load(MODELS / "silero_vad" / "test_ref.npz")["audio"].astype(np.float32) / 32768
    state = np.zeros((2, 1, 128), dtype=np.float32)
    context = np.zeros((1, 64), dtype=np.float32)
    for frame in speech[20 * 512 : 36 * 512].reshape(-1, 1, 512):
        inputs = {"input": np.concatenate([context, frame], axis=1), "state": state}
        got = run_module(module, inputs)
        expected = reference.run(["output", "stateN"], {**inputs, "sr": rate})
        assert_close(got["output"], expected[0])
        assert_close(got["stateN"], expected[1])
        state, context = got["stateN"], inputs["input"][:, -64:]
