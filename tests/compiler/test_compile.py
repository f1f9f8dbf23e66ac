"""The whole path: what a compile makes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx  # noqa: TID251 - models are made here
import pytest
from onnx import helper, numpy_helper  # noqa: TID251
from sklearn.metrics import accuracy_score

from compiler.compile import CompileResult, compile_bundle
from compiler.measuring.goldens import SAMPLES
from compiler.progress import Silent
from compiler.publishing.publish import staging_dir
from edge_bundle.contract_file import contract_digest, load_contract
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import (
    CompileError,
    ContractNotMetError,
    EngineError,
    InvalidInputError,
    LimitExceededError,
)
from edge_bundle.golden import check_golden
from edge_bundle.manifest import NumericClass, Precision
from edge_bundle.proof import Proof
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.factory import open_engine, source_of
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import ProfileLimits
from tests.compiler.conftest import PROFILES
from tests.compiler.models import DIGITS, KEYS, classifier_job, contract_text, digits_request, model, verified


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _proof(result: CompileResult, profile: str) -> Proof:
    return next(variant.proof for variant in result.variants if variant.proof.profile == profile)


def test_a_node_that_trusts_both_keys_takes_it(digits: CompileResult) -> None:
    release = verified(digits.bundle_dir)
    assert (release.name, release.version, release.bundle_digest) == ("digits", "1.0.0", digits.bundle_digest)
    assert set(release.signed_by) == {key.public.keyid for key in KEYS}
    assert {name: variant.proof for name, variant in release.variants.items()} == {
        variant.proof.profile: variant.proof for variant in digits.variants
    }
    assert digits.release_index_digest == sha256_digest((digits.bundle_dir / "index.json").read_bytes())


def test_provenance_names_every_source(digits: CompileResult) -> None:
    contract = load_contract(DIGITS / "contract.toml")
    assert verified(digits.bundle_dir).provenance.digests == {
        "calibration": sha256_digest((DIGITS / "calibration.npz").read_bytes()),
        "contract": contract_digest(contract),
        "evaluation": sha256_digest((DIGITS / "evaluation.npz").read_bytes()),
        "model": sha256_digest((DIGITS / "digits.onnx").read_bytes()),
        "source": "0" * 40,
    }


def test_proofs_equal_an_independent_count(digits: CompileResult, profile: str) -> None:
    """Run the published files through the engine in one go and count with scikit-learn."""
    variant = verified(digits.bundle_dir).variants[profile]
    data = np.load(DIGITS / "evaluation.npz")
    with open_engine(source_of(variant.manifest, variant.files)) as engine:
        outputs = [to_array(engine.run({"image": to_tensor(row[None])})["probabilities"])[0] for row in data["image"]]
    answers = np.argmax(outputs, axis=1)
    proof = variant.proof
    assert proof.accuracy.value == accuracy_score(data["labels"], answers)
    assert proof.accuracy.samples == 500
    for name, part in proof.slices.items():
        chosen = data["slice"] == name
        assert part.value == accuracy_score(data["labels"][chosen], answers[chosen])
        assert part.samples == chosen.sum()
    with open_engine(source_of(*_float_variant(digits))) as engine:
        floats = [to_array(engine.run({"image": to_tensor(row[None])})["probabilities"])[0] for row in data["image"]]
    assert proof.agreement.top1 == np.mean(np.argmax(floats, axis=1) == answers)
    assert proof.agreement.max_abs_diff == pytest.approx(np.abs(np.subtract(floats, outputs)).max(), abs=1e-6)


def _float_variant(digits: CompileResult) -> tuple[Any, Any]:
    variant = verified(digits.bundle_dir).variants["cpu-fp32"]
    return variant.manifest, variant.files


def test_figures_are_plausible(digits: CompileResult, profile: str) -> None:
    proof = _proof(digits, profile)
    assert proof.deterministic
    exact = NumericClass.PORTABLE_EXACT if profile.startswith("wasm") else NumericClass.HOST_EXACT
    assert proof.numeric_class is exact
    assert proof.latency
    assert 0 < proof.latency.p50_us <= proof.latency.p90_us <= proof.latency.p99_us
    assert proof.latency.runs == 200
    assert 10 << 20 < proof.peak_rss_bytes < 1 << 30
    assert proof.measured_at == "2027-01-15T08:00:00Z"
    assert proof.accuracy.low < proof.accuracy.value < proof.accuracy.high


def test_int8_is_smaller_and_float_is_the_reference(digits: CompileResult) -> None:
    assert _proof(digits, "cpu-int8").artifact_bytes < 0.4 * _proof(digits, "cpu-fp32").artifact_bytes
    assert _proof(digits, "cpu-int8").precision is Precision.INT8
    assert _proof(digits, "cpu-fp32").agreement.top1 == 1.0
    assert digits.reference.value == _proof(digits, "cpu-fp32").accuracy.value


def test_golden_vectors_replay(digits: CompileResult, profile: str) -> None:
    variant = verified(digits.bundle_dir).variants[profile]
    assert len(variant.goldens) == SAMPLES + 2
    corners = [to_array(vector.inputs["image"]) for vector in variant.goldens[-2:]]
    assert (corners[0] == 0.0).all()
    assert (corners[1] == 16.0).all()
    with open_engine(source_of(variant.manifest, variant.files)) as engine:
        for number, vector in enumerate(variant.goldens):
            got = engine.run(vector.inputs)
            check_golden(vector.outputs, got, variant.contract.golden, runtime="here", vector=number)


def test_nothing_else_is_left(digits: CompileResult) -> None:
    assert sorted(path.name for path in digits.bundle_dir.parent.iterdir()) == [
        "bundle", "bundle.cdx.json", "bundle.intoto.jsonl", "bundle.provenance.json",
    ]  # fmt: skip


class _Recorder(Silent):
    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps = 0
        self.ended = 0

    def start(self, stage: str, total: int) -> None:
        self.stages.append((stage, total))

    def advance(self, steps: int = 1) -> None:
        self.steps += steps

    def done(self) -> None:
        self.ended += 1


def test_progress_names_every_stage_once(tmp_path: Path) -> None:
    seen = _Recorder()
    compile_bundle(classifier_job(tmp_path, profiles=("cpu-int8",)), progress=seen)
    assert [stage for stage, _ in seen.stages] == [
        "import", "normalise", "fold", "fuse", "calibrate", "fp32 reference", "quantize cpu-int8",
        "accuracy control cpu-int8", "lower", "evaluate cpu-int8", "prove cpu-int8", "package", "sign",
    ]  # fmt: skip
    assert seen.steps == sum(total for _, total in seen.stages)
    assert seen.ended == len(seen.stages)


@pytest.mark.parametrize(
    ("accuracy", "rule"),
    [
        pytest.param("minimum = 1.0\nmax_drop = 1.0", "accuracy.minimum", id="minimum"),
        pytest.param("max_drop = 0.0", "accuracy.max_drop", id="max_drop"),
    ],
)
def test_a_missed_contract_fails_and_says_by_how_much(tmp_path: Path, accuracy: str, rule: str) -> None:
    """Labels are the float model's own, so any answer that int8 changes is a drop; coarse data force one."""
    rows = np.random.default_rng(9).normal(size=(600, 4)).astype(np.float32)
    contract = contract_text(inputs={"x": (-1, 4)}, outputs={"y": (-1, 3)}, accuracy=accuracy)
    request = classifier_job(tmp_path, contract=contract, profiles=("cpu-int8",), calibration={"x": rows * 40})
    with pytest.raises(ContractNotMetError) as refusal:
        compile_bundle(request)
    assert refusal.value.rule == rule
    assert "points" in str(refusal.value)
    assert not request.out_dir.exists()
    assert not staging_dir(request.out_dir).exists()


def test_latency_beyond_the_contract(tmp_path: Path) -> None:
    extra = "[latency]\np99_ms = 0.000001"
    contract = contract_text(inputs={"x": (-1, 4)}, outputs={"y": (-1, 3)}, extra=extra)
    with pytest.raises(ContractNotMetError, match=r"latency.p99_ms: expected at most 1e-06 ms"):
        compile_bundle(classifier_job(tmp_path, contract=contract))


def test_a_place_that_cannot_be_written_is_told_before_any_pass(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    request = replace(classifier_job(tmp_path), out_dir=tmp_path / "file" / "bundle")
    seen = _Recorder()
    with pytest.raises(NotADirectoryError):
        compile_bundle(request, progress=seen)
    assert not seen.stages


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        pytest.param({"keys": ()}, "keys", id="no keys"),
        pytest.param({"profiles": ()}, "profiles", id="no profiles"),
        pytest.param({"latency_runs": 10}, "latency_runs", id="too few runs"),
    ],
)
def test_a_request_that_cannot_work(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        compile_bundle(digits_request(tmp_path / "bundle", "cpu-fp32", **changes))
    assert refusal.value.key == key


def test_the_same_profile_twice(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="got cpu-fp32, cpu-fp32"):
        compile_bundle(digits_request(tmp_path / "bundle", "cpu-fp32", "cpu-fp32"))


def test_an_artifact_larger_than_the_profile_allows(tmp_path: Path) -> None:
    small = msgspec.structs.replace(load_profile("cpu-fp32"), limits=ProfileLimits(max_artifact_bytes=100))
    with pytest.raises(LimitExceededError, match="artifact for profile cpu-fp32: expected at most 100 bytes"):
        compile_bundle(replace(classifier_job(tmp_path), profiles=(small,)))


def test_a_runtime_without_a_lowering(tmp_path: Path) -> None:
    other = msgspec.structs.replace(load_profile("cpu-fp32"), runtime="abacus")
    with pytest.raises(InvalidInputError, match=r"expected one of .*onnxruntime, .*wasm, got 'abacus'"):
        compile_bundle(replace(classifier_job(tmp_path), profiles=(other,)))


@pytest.mark.parametrize("profile_name", ["cpu-fp32", "cpu-int8", "openvino-fp32", "openvino-int8"])
def test_two_inputs_one_without_a_batch(tmp_path: Path, profile_name: str) -> None:
    """``y = (x A) * scale`` with scale of shape [3]: rows of ``scale`` are stacked in the data sets."""
    nodes = [helper.make_node("MatMul", ["x", "A"], ["h"]), helper.make_node("Mul", ["h", "scale"], ["y"])]
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(4, 3)).astype(np.float32)
    proto = model(nodes, inputs={"x": ("N", 4), "scale": (3,)}, outputs={"y": ("N", 3)}, constants={"A": weights})
    x = rng.normal(size=(50, 4)).astype(np.float32)
    scale = rng.uniform(0.5, 2.0, size=(50, 3)).astype(np.float32)
    arrays = {"x": x, "scale": scale}
    request = classifier_job(
        tmp_path,
        model_bytes=proto.SerializeToString(),
        contract=contract_text(inputs={"x": (-1, 4), "scale": (3,)}, outputs={"y": (-1, 3)}),
        calibration=arrays,
        evaluation=arrays | {"labels": np.argmax((x @ weights) * scale, axis=1)},
        profiles=(profile_name,),
    )
    proof = compile_bundle(request).variants[0].proof
    assert proof.accuracy.value >= (0.9 if proof.precision is Precision.INT8 else 1.0)


def test_a_weight_that_is_no_number_is_named(tmp_path: Path) -> None:
    request = classifier_job(tmp_path)
    proto = onnx.load(request.model_path)
    tensor = proto.graph.initializer[0]
    array = numpy_helper.to_array(tensor).copy()
    array[1, 2] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(proto, request.model_path)
    with pytest.raises(CompileError, match=rf"tensor '{tensor.name}': expected numbers, got NaN in 1 of {array.size}$"):
        compile_bundle(request)


def test_a_float_model_that_misses_the_contract_is_told_before_anything_is_quantized(tmp_path: Path) -> None:
    contract = contract_text(inputs={"x": (-1, 4)}, outputs={"y": (-1, 3)}, accuracy="minimum = 1.0")
    rows = np.random.default_rng(9).normal(size=(40, 4)).astype(np.float32)
    evaluation = {"x": rows, "labels": np.zeros(40, dtype=np.int64)}
    request = classifier_job(tmp_path, contract=contract, evaluation=evaluation, profiles=("cpu-int8",))
    seen = _Recorder()
    with pytest.raises(ContractNotMetError, match="from the fp32 model itself"):
        compile_bundle(request, progress=seen)
    assert seen.stages[-1][0] == "fp32 reference"


def test_scores_that_are_not_numbers(tmp_path: Path) -> None:
    contract = contract_text(inputs={"x": (-1, 4)}, outputs={"y": (-1, 3)}, low=-3e38, high=3e38)
    rows = np.full((4, 4), 3e38, dtype=np.float32)
    request = classifier_job(
        tmp_path,
        contract=contract.replace("[accuracy]", "allow_nan = true\n[accuracy]"),
        evaluation={"x": rows, "labels": np.zeros(4, dtype=np.int64)},
    )
    with pytest.raises(EngineError, match="sample 0, output 'y': expected finite scores"):
        compile_bundle(request)
