"""Whole compiles: what is healed, what is refused, and what nothing is done for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from compiler.accuracy_control import control as control_module
from compiler.compile import compile_bundle
from compiler.progress import Silent
from edge_bundle.errors import ContractNotMetError
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Fallback
from tests.compiler.accuracy_control.networks import job
from tests.compiler.models import verified


class _Stages(Silent):
    def __init__(self) -> None:
        self.names: list[str] = []

    def start(self, stage: str, total: int) -> None:
        self.names.append(stage)


def test_exactly_the_layer_that_cannot_be_quantized_goes_back(tmp_path: Path) -> None:
    result = compile_bundle(job(tmp_path, loud=True, accuracy="max_drop = 0.1"))
    (quantized,), (variant,) = result.quantized, result.variants
    assert {layer.name for layer in quantized.layers if layer.kept} == {"dense0"}
    assert variant.proof.accuracy.value >= 0.9
    proof = variant.proof.quantization
    assert proof is not None
    assert proof.quantized == 3
    (kept,) = proof.kept
    assert (kept.layer, kept.operator, kept.precision) == ("dense0", "MatMul", "float")
    assert re.fullmatch(
        r"quantized alone it leaves the output \d+\.\d dB; drop \d\d\.\d\d points without keeping it, \d+\.\d\d points with",
        kept.reason,
    )
    others = [layer.reason for layer in quantized.layers if not layer.kept]
    assert all(re.match(r"quantized alone it leaves the output \d+\.\d dB", reason) for reason in others)
    assert re.search(r"Accuracy control kept 1 of 4 layers after \d+ mixes: drop .* -> ", " ".join(quantized.notes))
    assert verified(result.bundle_dir).proofs["cpu-int8"].quantization == proof


def test_a_graph_that_holds_is_tried_once(tmp_path: Path) -> None:
    stages = _Stages()
    result = compile_bundle(job(tmp_path, loud=False, accuracy="max_drop = 0.05"), progress=stages)
    assert [name for name in stages.names if name.startswith("accuracy control")] == ["accuracy control cpu-int8"]
    assert not any(layer.kept or layer.reason for layer in result.quantized[0].layers)


def test_the_same_compile_gives_the_same_mix(tmp_path: Path) -> None:
    digests = set()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        digests.add(compile_bundle(job(tmp_path / name, loud=True, accuracy="max_drop = 0.1")).bundle_digest)
    assert len(digests) == 1


def test_nothing_helps_and_the_best_is_told(tmp_path: Path) -> None:
    """No mix with a single quantized layer keeps a drop of a billionth."""
    request = job(tmp_path, loud=True, accuracy='metric = "cosine"\nmax_drop = 1e-9')
    with pytest.raises(ContractNotMetError) as refusal:
        compile_bundle(request)
    assert (refusal.value.rule, refusal.value.profile) == ("accuracy.max_drop", "cpu-int8")
    text = str(refusal.value)
    assert "expected at most 1e-09 below the fp32 model (1)" in text
    assert re.search(r"got \S+ below \(\S+\), \S+ too much, with 3 layers in float, the best of \d+ mixes", text)
    assert refusal.value.advice
    assert not request.out_dir.exists()


def test_a_device_without_anything_to_fall_back_to(tmp_path: Path) -> None:
    request = job(tmp_path, loud=True, accuracy="max_drop = 0.1")
    profile = msgspec.structs.replace(load_profile("cpu-int8"), fallback=Fallback.NONE)
    with pytest.raises(ContractNotMetError, match="with every layer as uint8 x int8, and the device has nothing else"):
        compile_bundle(replace(request, profiles=(profile,)))


def test_a_device_with_sixteen_bits(tmp_path: Path) -> None:
    request = job(tmp_path, loud=True, accuracy="max_drop = 0.1")
    profile = msgspec.structs.replace(load_profile("cpu-int8"), fallback=Fallback.INT16)
    result = compile_bundle(replace(request, profiles=(profile,)))
    kept = {layer.name: layer.precision for layer in result.quantized[0].layers if layer.kept}
    assert kept == {"dense0": "a16w8"}
    assert result.variants[0].proof.accuracy.value >= 0.9


def test_one_profile_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    request = job(tmp_path, loud=True, accuracy='metric = "cosine"\nmax_drop = 1e-9', profiles=("cpu-fp32", "cpu-int8"))
    result = compile_bundle(request)
    assert [variant.manifest.profile for variant in result.variants] == ["cpu-fp32"]
    (refusal,) = result.refused
    assert (refusal.profile.name, refusal.stage) == ("cpu-int8", "quantize")
    assert isinstance(refusal.error, ContractNotMetError)


def test_what_fp32_misses_no_mix_can_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said at once, without a single trial."""
    monkeypatch.setattr(control_module, "reference_scores", None)
    request = job(tmp_path, loud=False, accuracy='metric = "mae"\nmaximum = -1.0\nmax_drop = 1.0')
    with pytest.raises(ContractNotMetError, match=r"accuracy.maximum: expected at most -1, got 0, 1 too high"):
        compile_bundle(request)


def test_weights_alone(tmp_path: Path) -> None:
    """Four bits of weight cost more than the contract allows; layers go back to float weights."""
    request = replace(
        job(tmp_path, loud=False, accuracy="max_drop = 0.06", profiles=("cpu-w4",)), calibration_path=None
    )
    result = compile_bundle(request)
    kept = {layer.name for layer in result.quantized[0].layers if layer.kept}
    assert 1 <= len(kept) < 4
    assert result.variants[0].proof.accuracy.value >= 0.94
    assert np.all([layer.precision == "w4" for layer in result.quantized[0].layers if not layer.kept])
