"""The digits example on every runtime: compiled, verified as a node would, run, and held against its own proof.

Where a runtime's package is missing its tests are skipped, but not where SKERRY_HEAVY is set: there all must be. The
slowest, Qualcomm's emulator, runs there only.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from compiler.compile import compile_bundle
from compiler.recomputing.recompute import recompute
from compiler.recomputing.recomputed import Row
from edge_bundle.errors import CompileOnlyError
from edge_bundle.golden import check_golden
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import Execution
from edge_bundle.walk import VerifiedRelease, VerifiedVariant
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.factory import open_engine, source_of
from hardware_profiles.runtimes import installed_runtimes
from tests.compiler.models import DIGITS, digits_request, verified
from tests.conftest import HEAVY_SWITCH

RUNS = {
    "wasm": "wasm-simd128-int8",
    "onnxruntime": "cpu-int8",
    "openvino": "openvino-int8",
    "litert": "litert-int8",
    "qnn": "qnn-htp-v73",
}
"""Runtime -> the profile that stands for it."""

SLOW = ("qnn",)
COMPILE_ONLY = "ethos-u55-128"
ACCELERATORS = ("qnn", "ethos-u")
MINIMUM = 0.95
"""The digits contract's."""


def _profiles() -> dict[str, str]:
    """Runtime to profile, of those whose packages are here; all of them where everything must be."""
    here = installed_runtimes()
    must = os.environ.get(HEAVY_SWITCH) == "1"
    return {name: profile for name, profile in RUNS.items() if must or (name in here and name not in SLOW)}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> VerifiedRelease:
    """One bundle for all of them; a profile that is refused fails the compile."""
    out = tmp_path_factory.mktemp("runtimes") / "bundle"
    compile_bundle(digits_request(out, *_profiles().values(), strict=True))
    return verified(out)


@pytest.fixture(scope="module")
def rows(release: VerifiedRelease) -> dict[str, list[Row]]:
    """Every figure of every proof, measured again from the verified bundle alone."""
    found = recompute(
        release,
        DIGITS / "evaluation.npz",
        model_path=DIGITS / "digits.onnx",
        calibration_path=DIGITS / "calibration.npz",
    )
    return {profile: [row for row in found if row.profile == profile] for profile in release.variants}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.heavy if name in SLOW else ()) for name in RUNS])
def variant(request: pytest.FixtureRequest, release: VerifiedRelease) -> VerifiedVariant:
    """The variant of each runtime in turn."""
    profile = RUNS[request.param]
    if profile not in release.variants:
        pytest.skip(f"the package of {request.param} is not installed: pip install 'skerry[{request.param}]'")
    return release.variants[profile]


def test_every_figure_of_the_proof_holds(variant: VerifiedVariant, rows: dict[str, list[Row]]) -> None:
    judged = {row.figure: row.ok for row in rows[variant.manifest.profile] if row.ok is not None}
    assert [figure for figure, ok in judged.items() if not ok] == []
    assert {"accuracy", "evaluation set", "model", "artifact bytes"} <= judged.keys()


def test_the_evaluation_set_gives_what_the_proof_says(variant: VerifiedVariant) -> None:
    """Counted here, without the compiler's own judge."""
    with np.load(DIGITS / "evaluation.npz") as found:
        images, labels = found["image"], found["labels"]
    with open_engine(source_of(variant.manifest, variant.files)) as engine:
        answers = [
            to_array(engine.run({"image": to_tensor(images[index : index + 1])})["probabilities"]).argmax()
            for index in range(len(images))
        ]
    accuracy = variant.proof.accuracy
    assert accuracy.samples == len(labels)
    assert int((np.asarray(answers) == labels).sum()) == accuracy.correct
    assert accuracy.value >= MINIMUM


def test_golden_vectors_hold(variant: VerifiedVariant) -> None:
    exact = variant.manifest.numeric_class is NumericClass.PORTABLE_EXACT
    with open_engine(source_of(variant.manifest, variant.files)) as engine:
        for index, vector in enumerate(variant.goldens):
            tolerance = None if exact else variant.contract.golden
            check_golden(
                vector.outputs, engine.run(vector.inputs), tolerance, runtime=engine.runtime_version, vector=index
            )


def test_where_it_ran(variant: VerifiedVariant) -> None:
    """On an accelerator the proof tells the placement, and an emulator's speed is never taken for the device's."""
    proof = variant.proof
    if variant.manifest.runtime in ACCELERATORS:
        assert proof.placement
        assert proof.placement.share == 1.0, proof.placement.elsewhere
    if proof.measured_on.execution is Execution.DEVICE:
        assert proof.latency
        assert 0.0 < proof.latency.p50_us <= proof.latency.p90_us <= proof.latency.p99_us
    else:
        assert proof.latency is None


def test_what_is_compiled_only_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.environ.get(HEAVY_SWITCH) != "1":
        pytest.importorskip("ethosu.vela", reason="pip install 'skerry[ethos-u]'")
    out = tmp_path_factory.mktemp("firmware") / "bundle"
    compile_bundle(digits_request(out, COMPILE_ONLY, strict=True))
    variant = verified(out).variants[COMPILE_ONLY]
    proof = variant.proof
    assert proof.measured_on.execution is Execution.STAND_IN
    assert proof.latency is None
    assert proof.estimate
    assert proof.estimate.latency_us > 0.0
    assert proof.placement
    assert proof.placement.share == 1.0
    with pytest.raises(CompileOnlyError):
        open_engine(source_of(variant.manifest, variant.files))
