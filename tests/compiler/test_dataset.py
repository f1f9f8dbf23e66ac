"""Calibration and evaluation files: what is wrong is named by file, array, expected and found."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler import dataset
from compiler.dataset import load_calibration, load_evaluation
from edge_bundle.contract import OnViolation, TensorRule
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import InvalidInputError, LimitExceededError
from edge_bundle.tensor import DType

IMAGE = TensorRule(name="image", dtype=DType.FP32, shape=(-1, 2, 2), minimum=0.0, maximum=1.0)
SCALE = TensorRule(name="scale", dtype=DType.FP32, shape=(3,))
GOOD = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 2, 2)
LABELS = np.arange(6)


def _changed(value: float, *, at: tuple[int, ...] = (4, 1, 0)) -> NDArray[np.float32]:
    array = GOOD.copy()
    array[at] = value
    return array


def _save(folder: Path, **arrays: Any) -> Path:
    path = folder / "set.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("arrays", "texts"),
    [
        pytest.param({"labels": LABELS}, ("image: expected FP32 of shape (samples, 2, 2)", "only arrays labels"), id="missing"),
        pytest.param({"image": GOOD, "picture": GOOD, "labels": LABELS}, ("picture", "an unknown array"), id="unknown"),
        pytest.param({"image": GOOD.astype(np.float64), "labels": LABELS}, ("float64 of shape (6, 2, 2)",), id="dtype"),
        pytest.param({"image": GOOD.reshape(6, 4), "labels": LABELS}, ("float32 of shape (6, 4)",), id="rank"),
        pytest.param({"image": GOOD.reshape(3, 2, 4), "labels": LABELS}, ("shape (3, 2, 4)",), id="shape"),
        pytest.param({"image": GOOD[:0], "labels": LABELS[:0]}, ("at least one sample, got none",), id="empty"),
        pytest.param({"image": _changed(np.nan), "labels": LABELS}, ("finite numbers, got nan in sample 4",), id="nan"),
        pytest.param({"image": _changed(np.inf), "labels": LABELS}, ("finite numbers, got inf in sample 4",), id="inf"),
        pytest.param({"image": _changed(1.5), "labels": LABELS}, ("at most 1.0, got 1.5 in sample 4, 1 such",), id="above"),
        pytest.param({"image": _changed(-2), "labels": LABELS}, ("at least 0.0, got -2.0 in sample 4",), id="below"),
        pytest.param({"image": GOOD, "labels": LABELS[:5]}, ("labels", "int64 of shape (5,)"), id="label-count"),
        pytest.param({"image": GOOD, "labels": np.array(list("abcdef"))}, ("labels", "<U1 of shape (6,)"), id="label-dtype"),
        pytest.param(
            {"image": GOOD, "labels": LABELS, "slice": LABELS}, ("slice: expected 6 texts", "int64"), id="slice-dtype"
        ),
        pytest.param(
            {"image": GOOD, "labels": LABELS, "slice": np.array(["a", "", "b", "", "", "c"])},
            ("slice: expected a name for every sample", "none for 3 of 6, first sample 1"), id="slices-with-gaps"
        ),
        pytest.param({"image": np.array([{}] * 6), "labels": LABELS}, ("a .npz file of plain arrays",), id="pickle"),
    ],
)  # fmt: skip
def test_wrong_arrays(tmp_path: Path, arrays: dict[str, Any], texts: tuple[str, ...]) -> None:
    path = _save(tmp_path, **arrays)
    with pytest.raises(InvalidInputError) as refusal:
        load_evaluation(path, [IMAGE])
    for text in ("set.npz", *texts):
        assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)


def _bare_npy() -> bytes:
    target = io.BytesIO()
    np.save(target, GOOD)
    return target.getvalue()


def _pickled_npy_inside() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("image.npy", b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    return target.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"not a zip", id="text"),
        pytest.param(b"", id="empty"),
        pytest.param(_bare_npy(), id="npy"),
        pytest.param(_pickled_npy_inside(), id="raw-pickle"),
    ],
)
def test_not_an_npz(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(data)
    with pytest.raises(InvalidInputError, match=r"set.npz.*: expected a .*plain array"):
        load_calibration(path, [IMAGE])


@pytest.mark.parametrize(
    ("shape", "descr"),
    [
        pytest.param("(100000000000000, 2, 2)", "<f4", id="more-than-any-memory"),
        pytest.param("(4611686018427387904, 2, 2)", "<f4", id="more-than-64-bits"),
        pytest.param("(1000000, 2, 2)", "<f4", id="more-than-the-member-holds"),
        pytest.param("(-1, 2, 2)", "<f4", id="negative"),
        pytest.param("(1,)", "|O", id="pickle"),
    ],
)
def test_headers_that_lie(tmp_path: Path, shape: str, descr: str) -> None:
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode())
    with pytest.raises(InvalidInputError, match="plain arrays"):
        load_calibration(path, [IMAGE])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"expected a readable .npz file, got No such file"):
        load_calibration(tmp_path / "none.npz", [IMAGE])


def test_a_truncated_file(tmp_path: Path) -> None:
    path = _save(tmp_path, image=GOOD)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InvalidInputError, match="plain arrays"):
        load_calibration(path, [IMAGE])


@pytest.mark.parametrize(
    ("limit", "value", "unit"),
    [("MAX_FILE_BYTES", 100, "bytes"), ("MAX_UNPACKED_BYTES", 100, "bytes"), ("MAX_ARRAYS", 1, "arrays"), ("MAX_SLICES", 1, "slices")],
)  # fmt: skip
def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, unit: str) -> None:
    path = tmp_path / "set.npz"
    np.savez_compressed(path, image=GOOD, labels=LABELS, slice=np.array(list("aabbcc")))
    monkeypatch.setattr(dataset, limit, value)
    with pytest.raises(LimitExceededError) as refusal:
        load_evaluation(path, [IMAGE])
    assert refusal.value.unit == unit
    assert refusal.value.limit == value


def test_rows_follow_the_contract(tmp_path: Path) -> None:
    scale = np.ones((6, 3), dtype=np.float32)
    path = _save(tmp_path, image=GOOD, scale=scale, labels=LABELS, slice=np.array(list("aabbcc")))
    found = load_evaluation(path, [IMAGE, SCALE])
    assert found.row(2)["image"].shape == (1, 2, 2)
    assert found.row(2)["scale"].shape == (3,)
    assert found.slices == tuple("aabbcc")
    assert found.digest == sha256_digest(path.read_bytes())


def test_inputs_with_different_counts(tmp_path: Path) -> None:
    path = _save(tmp_path, image=GOOD, scale=np.ones((5, 3), dtype=np.float32))
    with pytest.raises(InvalidInputError, match=r"scale: expected 6 samples, as in 'image', got 5 samples"):
        load_calibration(path, [IMAGE, SCALE])


def test_flagged_values_are_let_through(tmp_path: Path) -> None:
    rule = TensorRule(name="image", dtype=DType.FP32, shape=(-1, 2, 2), maximum=0.5, on_violation=OnViolation.FLAG)
    assert load_calibration(_save(tmp_path, image=GOOD), [rule]).samples == 6


def test_labels_are_whatever_the_metric_takes(tmp_path: Path) -> None:
    assert load_evaluation(_save(tmp_path, image=GOOD), [IMAGE]).labels is None
    labels = load_evaluation(_save(tmp_path, image=GOOD, labels=GOOD), [IMAGE]).labels
    assert labels is not None
    assert labels.shape == (6, 2, 2)
