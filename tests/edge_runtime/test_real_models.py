"""Trained models of others through both engines; skipped where they are not at hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_bundle.tensor import DType, TensorSpec
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
from tests.edge_runtime.models import REAL_MODELS, RUNTIMES, artifact

pytestmark = pytest.mark.skipif(not REAL_MODELS.is_dir(), reason=f"the real models are not at {REAL_MODELS}")


@dataclass(frozen=True)
class RealModel:
    file: str
    row: tuple[int, ...]
    answer: int
    largest_input: float
    atol: float


MODELS = [
    pytest.param(RealModel("ic_resnet8/ic_fp32.onnx", (3, 32, 32), 10, 255.0, 1e-4), id="ic_resnet8"),
    pytest.param(RealModel("kws_dscnn/kws_fp32.onnx", (1, 49, 10), 12, 50.0, 1e-4), id="kws_dscnn"),
    pytest.param(RealModel("kws_dscnn/kws_fp32_bn.onnx", (1, 49, 10), 12, 50.0, 1e-4), id="kws_dscnn-with-batchnorm"),
    pytest.param(RealModel("ad_autoencoder/ad_fp32.onnx", (640,), 640, 10.0, 1e-3), id="ad_autoencoder"),
]


def run(model: RealModel, runtime: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    entrypoint, files = artifact(runtime, (REAL_MODELS / model.file).read_bytes())
    source = EngineSource(
        runtime,
        files,
        entrypoint,
        (TensorSpec(name="input", dtype=DType.FP32, shape=(-1, *model.row)),),
        (TensorSpec(name="output", dtype=DType.FP32, shape=(-1, model.answer)),),
    )
    with open_engine(source) as engine:
        first = engine.run({"input": to_tensor(rows)})
        assert engine.run({"input": to_tensor(rows)}) == first
        return to_array(first["output"])


@pytest.mark.parametrize("model", MODELS)
def test_both_engines_agree(model: RealModel) -> None:
    rows = np.random.default_rng(7).random((5, *model.row), np.float32) * np.float32(model.largest_input)
    by_runtime = [run(model, runtime, rows) for runtime in RUNTIMES]
    assert by_runtime[0].shape == (5, model.answer)
    assert np.abs(by_runtime[0] - by_runtime[1]).max() < model.atol


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_keyword_spotter_hears_the_labelled_words(runtime: str) -> None:
    """Yes, no, silence, and noise as unknown."""
    model = RealModel("kws_dscnn/kws_fp32.onnx", (1, 49, 10), 12, 0.0, 0.0)
    with np.load(REAL_MODELS / "kws_dscnn" / "wavs.npz", allow_pickle=False) as data:
        features, labels = np.asarray(data["mfcc"]), np.asarray(data["label"])
    answers = run(model, runtime, features.reshape(-1, *model.row)).argmax(1)
    assert np.array_equal(answers, labels)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_autoencoder_scores_the_normal_clip_as_published(runtime: str) -> None:
    """9.707: the mean squared error of the fp32 model on this clip, from the model's own README."""
    model = RealModel("ad_autoencoder/ad_fp32.onnx", (640,), 640, 0.0, 0.0)
    with np.load(REAL_MODELS / "ad_autoencoder" / "one_normal_clip.npz", allow_pickle=False) as data:
        frames = np.asarray(data["frames"])
    windows = np.stack([frames[i : i + 5].reshape(640) for i in range(len(frames) - 4)])
    rebuilt = run(model, runtime, windows)
    assert np.square(rebuilt - windows).mean() == pytest.approx(9.707, abs=1e-3)
