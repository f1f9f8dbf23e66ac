"""The digits example: its script makes the committed bytes, and its files keep what the contract says."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_bundle.contract_file import load_contract
from edge_runtime.quiet_import import import_quietly
from examples.digits.network import GRID, exact_matmul
from examples.digits.train import FILES, Randomness, split

onnxruntime = import_quietly("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"


@pytest.fixture(scope="module")
def evaluation() -> dict[str, NDArray[np.generic]]:
    with np.load(DIGITS / "evaluation.npz", allow_pickle=False) as data:
        return dict(data)


def test_training_again_gives_the_committed_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.digits.train", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for name in (*FILES, "record.json"):
        assert (tmp_path / name).read_bytes() == (DIGITS / name).read_bytes(), name


def test_archives_hold_nothing_that_depends_on_the_release_of_python() -> None:
    for name in ("calibration.npz", "evaluation.npz"):
        with zipfile.ZipFile(DIGITS / name) as archive:
            assert {(part.extract_version, part.extra) for part in archive.infolist()} == {(20, b"")}, name


def test_record_names_the_committed_files() -> None:
    record = json.loads((DIGITS / "record.json").read_text())
    assert record["sha256"] == {name: hashlib.sha256((DIGITS / name).read_bytes()).hexdigest() for name in FILES}


def test_model_is_as_accurate_as_recorded(evaluation: dict[str, NDArray[np.generic]]) -> None:
    session = onnxruntime.InferenceSession(DIGITS / "digits.onnx", providers=["CPUExecutionProvider"])
    (answers,) = session.run(["probabilities"], {"image": evaluation["image"]})
    correct = int((answers.argmax(1) == evaluation["labels"]).sum())
    assert correct == json.loads((DIGITS / "record.json").read_text())["correct"]
    assert correct / len(answers) >= (load_contract(DIGITS / "contract.toml").accuracy.minimum or 0.0)


def test_data_keep_the_contract(evaluation: dict[str, NDArray[np.generic]]) -> None:
    rule = load_contract(DIGITS / "contract.toml").inputs[0]
    with np.load(DIGITS / "calibration.npz", allow_pickle=False) as calibration:
        for images in (calibration[rule.name], evaluation[rule.name]):
            assert images.dtype == rule.dtype.numpy_name
            assert rule.spec.accepts(images.shape, max_batch=len(images))
            assert images.min() == rule.minimum
            assert images.max() == rule.maximum


def test_calibration_and_evaluation_share_no_image(evaluation: dict[str, NDArray[np.generic]]) -> None:
    with np.load(DIGITS / "calibration.npz", allow_pickle=False) as calibration:
        images = np.concatenate([calibration["image"], evaluation["image"]])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images) == 700


def test_evaluation_is_stratified_and_sliced(evaluation: dict[str, NDArray[np.generic]]) -> None:
    labels, counts = np.unique(evaluation["labels"], return_counts=True)
    assert labels.tolist() == list(range(10))
    assert set(counts.tolist()) == {50}
    slices, counts = np.unique(evaluation["slice"], return_counts=True)
    assert slices.tolist() == ["ink-heavy", "ink-light"]
    assert counts.min() > 200


def test_split_takes_every_image_once() -> None:
    labels = np.repeat(np.arange(10), 100)
    parts = split(labels, Randomness(1))
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(1000))
    assert {part: len(indices) for part, indices in parts.items()} == {
        "train": 300,
        "calibration": 200,
        "evaluation": 500,
    }


def test_exact_matmul_does_not_depend_on_the_order_of_sums() -> None:
    random = Randomness(2)
    a, b = random.uniform((7, 2000)), random.uniform((2000, 5))
    order = random.order(2000)
    assert np.array_equal(exact_matmul(a, b), exact_matmul(a[:, order], b[order]))
    assert not np.array_equal(a @ b, a[:, order] @ b[order]), "the plain product shows why"


def test_exact_matmul_refuses_sums_that_do_not_fit() -> None:
    large = np.full((2, 2), 2.0**53 * GRID)
    with pytest.raises(OverflowError, match="do not fit"):
        exact_matmul(large, large)


def test_contract_names_the_model_tensors() -> None:
    contract = load_contract(DIGITS / "contract.toml")
    session = onnxruntime.InferenceSession(DIGITS / "digits.onnx", providers=["CPUExecutionProvider"])
    assert (contract.name, contract.version) == ("digits", "1.0.0")
    assert [rule.name for rule in contract.inputs] == [port.name for port in session.get_inputs()]
    assert [rule.name for rule in contract.outputs] == [port.name for port in session.get_outputs()]
    assert contract.accuracy.output == "probabilities"
