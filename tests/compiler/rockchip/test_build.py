"""The toolkit as a compiler, in a process of its own: what it writes, and every way it can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.rockchip import build as build_file
from compiler.rockchip.build import Built, build
from edge_bundle.errors import RuntimeMissingError, ToolFailedError
from tests.edge_runtime.rockchip_simulator.toolkit import doubling_source, install_fake


def build_doubling() -> Built:
    source = doubling_source()
    return build(source.files["model.onnx"], "rk3566", source.inputs, source.outputs, runtime="rockchip")


def test_a_file_and_its_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch)
    built = build_doubling()
    assert built.model == b"RKNNrk3566"
    assert [(layer.name, layer.place) for layer in built.layers] == [("Conv:double", "NPU"), ("Reshape:y-rs", "CPU")]


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("crashes", "crashed: SIGSEGV"),
        ("refuses", "failed with exit status 1; its last line: load_onnx ended with -1"),
        ("raises", "failed with exit status 1; its last line: ValueError: Unsupport operator If"),
        ("no-file", "ended without a file"),
        ("no-table", "does not say where the layers run"),
    ],
)
def test_it_fails(mode: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch, mode)
    with pytest.raises(ToolFailedError) as caught:
        build_doubling()
    assert f"rknn-toolkit2 2.3.2 {told}" in str(caught.value)


def test_it_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path, monkeypatch, "hangs")
    monkeypatch.setattr(build_file, "TIMEOUT_S", 1.0)
    with pytest.raises(ToolFailedError, match="hung: no end within 1 s"):
        build_doubling()


def test_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(RuntimeMissingError) as caught:
        build_doubling()
    assert caught.value.advice == "skerry toolchain install rknn"
