"""The digits example for Rockchip: with a toolkit that pretends, and, where it is installed, with the real one."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from compiler.compile import compile_bundle
from compiler.rockchip.layers import placement, read_layers
from edge_bundle.errors import CompileOnlyError, PlacementError, RuntimeMissingError, ToolFailedError
from edge_bundle.proof import Execution
from edge_runtime.factory import open_engine, source_of
from edge_runtime.toolchains.place import is_installed
from edge_runtime.toolchains.recipe import RKNN
from hardware_profiles.loader import load_profile
from tests.compiler.models import digits_request
from tests.compiler.rockchip.test_layers import HEAD, ROWS
from tests.edge_runtime.rockchip_simulator.toolkit import install_fake

NAMES = ("rockchip-rk3588", "rockchip-rk3566")


@pytest.mark.parametrize("name", NAMES)
def test_profiles(name: str) -> None:
    profile = load_profile(name)
    assert profile.compile_only
    assert profile.on_request
    assert profile.options == {"platform": name.removeprefix("rockchip-")}


def test_not_installed_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(RuntimeMissingError) as caught:
        compile_bundle(digits_request(tmp_path / "bundle", "rockchip-rk3588"))
    assert caught.value.advice == "skerry toolchain install rknn"


@pytest.mark.parametrize("mode", ["crashes", "raises"])
def test_it_is_refused_and_the_others_go_on(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake(tmp_path / "data", monkeypatch, mode)
    result = compile_bundle(digits_request(tmp_path / "bundle", "cpu-fp32", "rockchip-rk3588"))
    assert [variant.manifest.profile for variant in result.variants] == ["cpu-fp32"]
    (refusal,) = result.refused
    assert isinstance(refusal.error, ToolFailedError)
    assert refusal.profile.name == "rockchip-rk3588"


def test_layers_on_the_cpu_are_refused_where_the_profile_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert placement("rk3588", read_layers(HEAD + ROWS)).elsewhere, "the toolkit leaves some there"
    install_fake(tmp_path / "data", monkeypatch)
    strict = msgspec.structs.replace(load_profile("rockchip-rk3588"), cpu_nodes=False)
    with pytest.raises(PlacementError, match=r"placement on rk3588: expected 0 layers on the CPU .*got 1: Reshape"):
        compile_bundle(digits_request(tmp_path / "bundle", profiles=(strict,)))


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_the_real_toolkit(tmp_path: Path) -> None:
    if not is_installed(RKNN):
        pytest.skip(
            f"no toolkit in {os.environ.get('XDG_DATA_HOME') or '~/.local/share'}: skerry toolchain install rknn"
        )
    first, second = (compile_bundle(digits_request(tmp_path / str(turn), *NAMES)) for turn in range(2))
    for variant in first.variants:
        proof = variant.proof
        assert proof.measured_on.execution is Execution.SIMULATOR
        assert proof.measured_on.runtime == "rockchip-simulator"
        assert proof.latency is None
        assert proof.estimate is None
        assert proof.accuracy.value > 0.97
        assert proof.placement is not None
        assert proof.placement.on_device >= proof.placement.nodes - 2
        with pytest.raises(CompileOnlyError):
            open_engine(source_of(variant.manifest, {variant.manifest.entrypoint: b""}))
    assert len(first.variants) == len(NAMES)
    assert first.bundle_digest == second.bundle_digest, "holds where the kernel lets a process choose its addresses"
