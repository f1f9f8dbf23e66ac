"""The device's own arithmetic as the judge, in Qualcomm's emulator: a step of rounding more than ONNX Runtime."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from compiler.compile import CompileResult, compile_bundle
from compiler.request import CompileRequest
from edge_bundle.errors import ContractNotMetError
from examples.real_models.prepare import main as prepare
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Fallback, Profile
from tests.compiler.accuracy_control.networks import job
from tests.compiler.models import REAL_MODELS, digits_request, verified
from tests.edge_runtime.qnn.contexts import needs_toolchain

pytestmark = needs_toolchain

DEVICE = "qnn-htp-v73"

LAX = 1.0


def _request(folder: Path, max_drop: float, fallback: Fallback = Fallback.INT16) -> CompileRequest:
    """A CPU and a device that share a scheme, and so a graph as long as it holds."""
    folder.mkdir(exist_ok=True)
    profiles = (load_profile("cpu-int8"), load_profile(DEVICE))
    same = tuple(msgspec.structs.replace(one, fallback=fallback) for one in profiles)
    accuracy = f'metric = "cosine"\nmax_drop = {max_drop}'
    return replace(job(folder, loud=False, accuracy=accuracy), profiles=same)


@pytest.fixture(name="bytes_alone", scope="module")
def _bytes_alone(tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    return compile_bundle(_request(tmp_path_factory.mktemp("lax"), LAX))


@pytest.fixture(name="between", scope="module")
def _between(bytes_alone: CompileResult) -> float:
    """A drop that ONNX Runtime keeps with the graph in bytes, and the device does not."""
    cpu, device = (1.0 - variant.proof.accuracy.value for variant in bytes_alone.variants)
    assert device > 1.1 * cpu
    return (cpu + device) / 2.0


@pytest.fixture(name="result", scope="module")
def _result(between: float, tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    return compile_bundle(_request(tmp_path_factory.mktemp("device"), between))


def test_the_device_has_a_graph_of_its_own_and_the_cpu_keeps_the_shared_one(
    result: CompileResult, between: float
) -> None:
    shared, own = result.quantized
    assert (shared.profiles, shared.judge) == (("cpu-int8",), "")
    assert (own.profiles, own.judge) == ((DEVICE,), f"{DEVICE} (qnn, emulator)")
    assert not any(layer.kept for layer in shared.layers)
    assert {layer.precision for layer in own.layers if layer.kept} == {"a16w8"}
    assert shared.graph != own.graph
    assert result.reference.value - result.variants[1].proof.accuracy.value <= between


def test_its_proof_and_its_notes_say_who_judged(result: CompileResult) -> None:
    cpu, device = (variant.proof.quantization for variant in result.variants)
    assert cpu is not None
    assert device is not None
    assert (cpu.quantized, cpu.kept) == (4, ())
    assert device.kept
    assert device.quantized == 4 - len(device.kept)
    assert all(layer.reason.endswith(f", as {DEVICE} (qnn, emulator) computes") for layer in device.kept)
    assert result.quantized[1].notes[-1].endswith(f", as {DEVICE} (qnn, emulator) computes.")
    assert verified(result.bundle_dir).proofs[DEVICE].quantization == device


def test_the_same_compile_gives_the_same_mix(result: CompileResult, between: float, tmp_path: Path) -> None:
    assert compile_bundle(_request(tmp_path / "again", between)).bundle_digest == result.bundle_digest


def test_a_device_without_anything_to_fall_back_to_is_refused_alone(between: float, tmp_path: Path) -> None:
    result = compile_bundle(_request(tmp_path, between, Fallback.NONE))
    assert [variant.manifest.profile for variant in result.variants] == ["cpu-int8"]
    (refusal,) = result.refused
    assert (refusal.profile.name, refusal.stage) == (DEVICE, "evaluate")
    assert isinstance(refusal.error, ContractNotMetError)
    assert str(refusal.error).endswith(
        f"with every layer as uint8 x int8, and the device has nothing else to fall back to, judged by {DEVICE} (qnn, emulator)"
    )


def test_no_mix_fits_the_device_and_the_best_is_told(
    bytes_alone: CompileResult, between: float, tmp_path: Path
) -> None:
    """The device has no room for a layer in 16 bits: what it holds at most is what the bytes take."""
    request, size = _request(tmp_path, between), bytes_alone.variants[1].proof.artifact_bytes
    tight = tuple(_with_room(profile, size) for profile in request.profiles)
    (refusal,) = compile_bundle(replace(request, profiles=tight)).refused
    assert isinstance(refusal.error, ContractNotMetError)
    assert re.search(
        r"with every layer as uint8 x int8, the best of (\d) mixes, of which the device's tools do not take \d, judged by",
        refusal.error.got,
    )


def _with_room(profile: Profile, limit: int) -> Profile:
    room = limit if profile.name == DEVICE else profile.limits.max_artifact_bytes
    return msgspec.structs.replace(profile, limits=msgspec.structs.replace(profile.limits, max_artifact_bytes=room))


@pytest.mark.heavy
@pytest.mark.skipif(not (REAL_MODELS / "kws_dscnn").is_dir(), reason=f"no keyword spotter in {REAL_MODELS}")
@pytest.mark.parametrize("name", ["qnn-htp-v68", "qnn-htp-v73"])
def test_the_keyword_spotter_keeps_its_contract(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deep stack adds the processor's rounding up; what goes back for that, the processor itself judges."""
    monkeypatch.setattr(sys, "argv", ["prepare", str(REAL_MODELS), str(tmp_path), "--only", "kws"])
    prepare()
    folder = tmp_path / "kws"
    request = digits_request(
        tmp_path / "bundle",
        name,
        model_path=folder / "model.onnx",
        contract_path=folder / "contract.toml",
        calibration_path=folder / "calibration.npz",
        evaluation_path=folder / "evaluation.npz",
    )
    result = compile_bundle(request)
    (quantized,), (variant,) = result.quantized, result.variants
    assert variant.proof.accuracy.value >= 0.98
    kept = [layer for layer in quantized.layers if layer.kept]
    assert len(kept) <= 6
    assert all(layer.reason for layer in kept)
    assert quantized.judge in ("", f"{name} (qnn, emulator)")
