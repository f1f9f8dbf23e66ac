"""The engine around the vendor's simulator: answers, rows, and a simulator that dies, hangs or is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_bundle.errors import AlreadyClosedError, EngineError, EngineTimeoutError, RuntimeMissingError
from edge_bundle.tensor import DType, Tensor
from edge_runtime.factory import open_engine
from edge_runtime.rockchip import child, simulator
from tests.edge_runtime.rockchip_simulator.toolkit import doubling_source, install_fake


def rows(count: int) -> dict[str, Tensor]:
    values = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    return {"x": Tensor(DType.FP32, values.shape, values.tobytes())}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_rows_are_run_one_by_one(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch)
    with open_engine(doubling_source()) as engine:
        assert engine.runtime_version == "2.3.2"
        for _ in range(2):
            answer = engine.run(rows(count))["y"]
            assert answer.shape == (count, 3)
            doubled = np.frombuffer(answer.data, np.float32)
            np.testing.assert_array_equal(doubled, np.arange(count * 3, dtype=np.float32) * 2)


def test_a_closed_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch)
    engine = open_engine(doubling_source())
    engine.close()
    engine.close()
    with pytest.raises(AlreadyClosedError, match="the rockchip simulator is already closed"):
        engine.run(rows(1))


def test_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(RuntimeMissingError) as caught:
        open_engine(doubling_source())
    assert caught.value.advice == "skerry toolchain install rknn"


def test_an_unknown_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch)
    with pytest.raises(EngineError, match="option 'platform': expected one of rk3588, rk3566, got 'rk1'"):
        open_engine(replace(doubling_source(), options={"platform": "rk1"}))


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("crashes", "the simulator ended with status -11"),
        ("refuses", "the simulator ended with status 1: load_onnx ended with -1"),
        ("raises", "the simulator ended with status 1: ValueError: Unsupport operator If"),
    ],
)
def test_it_does_not_start(mode: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch, mode)
    with pytest.raises(EngineError) as caught:
        open_engine(doubling_source())
    assert told in str(caught.value)


def test_it_hangs_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch, "hangs")
    monkeypatch.setattr(simulator, "START_TIMEOUT_S", 0.5)
    with pytest.raises(EngineTimeoutError, match=r"no answer within 0\.5 s"):
        open_engine(doubling_source())


def test_it_dies_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch, "dies-later")
    with open_engine(doubling_source()) as engine, pytest.raises(EngineError, match="ended with status -11"):
        engine.run(rows(1))


def test_it_hangs_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch, "hangs-later")
    monkeypatch.setattr(simulator, "RUN_TIMEOUT_S", 0.5)
    with open_engine(doubling_source()) as engine, pytest.raises(EngineTimeoutError):
        engine.run(rows(1))


def test_a_python_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be started: No such file or directory"):
        child.Child("rockchip-simulator", (str(tmp_path / "none"),), tmp_path)
