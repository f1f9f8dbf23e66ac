"""The digits example for Ethos-U: what is in the bundle, what its proof claims, and who refuses to run it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import msgspec
import pytest

from compiler.compile import CompileResult, compile_bundle
from edge_bundle.errors import CompileOnlyError, InvalidInputError, LimitExceededError, RuntimeMissingError
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import Execution
from edge_runtime.factory import open_engine, source_of
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Profile
from tests.compiler.ethos_u.test_device import NAMES
from tests.compiler.models import digits_request, verified

pytest.importorskip("ethosu.vela", reason="needs ethos-u-vela")
pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    return compile_bundle(digits_request(tmp_path_factory.mktemp("ethos-u") / "bundle", *NAMES))


def with_options(name: str, **options: str) -> Profile:
    profile = load_profile("ethos-u55-128")
    return msgspec.structs.replace(profile, name=name, options=profile.options | options)


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_claims_no_execution(name: str, compiled: CompileResult) -> None:
    proof = next(variant.proof for variant in compiled.variants if variant.manifest.profile == name)
    assert proof.measured_on.execution is Execution.STAND_IN
    assert proof.measured_on.runtime == "litert"
    assert proof.latency is None
    assert proof.numeric_class is NumericClass.APPROXIMATE
    assert proof.estimate is not None
    assert proof.estimate.tool.startswith("ethos-u-vela 5.")
    assert proof.estimate.cycles > 0
    assert proof.estimate.latency_us > 0
    assert proof.estimate.sram_bytes > 0
    assert proof.placement is not None
    assert (proof.placement.device, proof.placement.share, proof.placement.elsewhere) == (name, 1.0, ())
    assert proof.accuracy.value > 0.97


@pytest.mark.parametrize("name", NAMES)
def test_nothing_runs_it(name: str, compiled: CompileResult) -> None:
    manifest = next(variant.manifest for variant in compiled.variants if variant.manifest.profile == name)
    assert (manifest.runtime, manifest.options) == ("ethos-u", {})
    with pytest.raises(CompileOnlyError, match="one that is compiled for only") as caught:
        open_engine(source_of(manifest, {manifest.entrypoint: b""}))
    assert "firmware" in caught.value.advice


def test_the_interface_says_what_the_integers_mean(compiled: CompileResult) -> None:
    files = verified(compiled.bundle_dir).variants["ethos-u55-128"].files
    assert sorted(files) == ["interface.json", "model_vela.tflite"]
    assert b"ethos-u" in files["model_vela.tflite"]
    interface = json.loads(files["interface.json"])
    (image,), (probabilities,) = interface["inputs"], interface["outputs"]
    assert (image["name"], image["dtype"], probabilities["name"]) == ("image", "int8", "probabilities")
    assert sorted(image["shape"]) == [1, 1, 8, 8]
    assert image["scale"] > 0
    assert -128 <= image["zero_point"] <= 127
    assert sorted(image["axes"]) == [0, 1, 2, 3]


def test_the_same_inputs_give_the_same_bundle(compiled: CompileResult, tmp_path: Path) -> None:
    again = compile_bundle(digits_request(tmp_path / "bundle", *NAMES))
    assert again.bundle_digest == compiled.bundle_digest


REFUSALS = {
    "small": ({"sram-kib": "1"}, LimitExceededError, "SRAM on ethos-u55-128 (profile small), scheduled for the least"),
    "slow": ({"max-cycles": "100"}, LimitExceededError, "(profile slow): expected at most 100 cycles"),
    "mixed": ({"system-config": "Ethos_U65_High_End"}, InvalidInputError, "profile mixed: options.system-config"),
    "unclear": ({"sram-kib": "lots"}, InvalidInputError, "profile unclear: options.sram-kib"),
}


def test_what_does_not_fit_is_refused_by_name_and_the_others_go_on(tmp_path: Path) -> None:
    """One compile: SRAM, cycles, options that do not belong together, an option that is no number."""
    altered = [with_options(name, **options) for name, (options, _, _) in REFUSALS.items()]
    profiles = (load_profile("ethos-u55-128"), *altered)
    result = compile_bundle(digits_request(tmp_path / "bundle", profiles=profiles))
    assert [variant.manifest.profile for variant in result.variants] == ["ethos-u55-128"]
    refused = {refusal.profile.name: refusal.error for refusal in result.refused}
    assert refused.keys() == REFUSALS.keys()
    for name, (_, error, told) in REFUSALS.items():
        assert isinstance(refused[name], error)
        assert told in str(refused[name])


def test_strict_ends_at_the_first(tmp_path: Path) -> None:
    profiles = (load_profile("ethos-u55-128"), with_options("small", **{"sram-kib": "1"}))
    with pytest.raises(LimitExceededError, match="profile small"):
        compile_bundle(digits_request(tmp_path / "bundle", profiles=profiles, strict=True))


def test_without_vela_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "ethosu" else found(name, *more)
    )
    with pytest.raises(RuntimeMissingError) as caught:
        compile_bundle(digits_request(tmp_path / "bundle", "ethos-u55-128"))
    assert caught.value.advice == "pip install 'skerry[ethos-u]'"
