"""Real networks through the whole compile; labels are the fp32 answers, so accuracy is agreement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.compile import CompileResult, compile_bundle
from edge_runtime.quiet_import import import_quietly
from tests.compiler.models import REAL_MODELS, contract_text, verified, write_job

onnxruntime = import_quietly("onnxruntime")


def _folder(name: str) -> Path:
    path = REAL_MODELS / name
    if not path.is_dir():
        pytest.skip(f"no real models at {path}")
    return path


def _compile(folder: Path, model: Path, rows: NDArray[np.float32], high: float, *profiles: str) -> CompileResult:
    data = model.read_bytes()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    scores = np.concatenate([session.run(None, {"input": row[None]})[0] for row in rows])
    arrays: dict[str, Any] = {"input": rows}
    contract = contract_text(
        inputs={"input": (-1, *rows.shape[1:])},
        outputs={"output": (-1, scores.shape[1])},
        low=-high,
        high=high,
        accuracy="max_drop = 0.2\nminimum = 0.8",
    )
    request = write_job(
        folder,
        data,
        contract,
        calibration=arrays,
        evaluation=arrays | {"labels": scores.argmax(axis=1)},
        profiles=profiles,
    )
    return compile_bundle(request)


@pytest.mark.parametrize("name", ["kws_fp32.onnx", "kws_fp32_bn.onnx"])
def test_keyword_spotter(tmp_path: Path, name: str) -> None:
    """Four clips, shifted and scaled: one of them is nearly a tie, which any quantizer may tip."""
    folder = _folder("kws_dscnn")
    clips = np.load(folder / "wavs.npz")["mfcc"][:, None]
    shifts = [np.roll(clips, shift, axis=2) * gain for shift in range(-5, 6) for gain in (0.9, 1.0, 1.1)]
    rows = np.concatenate(shifts).astype(np.float32)
    result = _compile(tmp_path, folder / name, rows, 400.0, "cpu-int8")
    proof = result.variants[0].proof
    assert proof.agreement.top1 == proof.accuracy.value >= 0.95
    assert proof.artifact_bytes < 0.6 * (folder / name).stat().st_size
    assert verified(result.bundle_dir).bundle_digest == result.bundle_digest


def test_image_classifier(tmp_path: Path) -> None:
    """Crops of photographs are harder than the network's own data: int8 may change a few close answers."""
    folder = _folder("ic_resnet8")
    photos = np.load(_folder("mobilenetv2") / "images.npz")["x"]
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 192, (100, 2))
    crops = [photos[i % len(photos)][y : y + 32, x : x + 32] for i, (y, x) in enumerate(corners)]
    rows = np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32)
    result = _compile(tmp_path, folder / "ic_fp32.onnx", rows, 255.0, "cpu-int8")
    proof = result.variants[0].proof
    assert (proof.agreement.top1 or 0.0) >= 0.85
    assert proof.deterministic
    assert proof.artifact_bytes < 0.35 * (folder / "ic_fp32.onnx").stat().st_size
