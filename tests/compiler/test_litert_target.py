"""LiteRT variants of the digits example, from the compile's front door to the engine."""

from __future__ import annotations

import pytest

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")

from compiler.batches import Batches
from compiler.compile import CompileResult, compile_bundle
from compiler.importer.summary import summarise
from compiler.targets.litert import lower
from compiler.targets.target import TargetJob
from compiler.tflite.variant import variant_files
from edge_bundle.contract_file import load_contract
from edge_bundle.errors import UnsupportedOperatorError
from edge_bundle.manifest import NumericClass
from hardware_profiles.loader import load_profile
from tests.compiler.models import DIGITS, REAL_MODELS, digits_request, model
from tests.compiler.tflite.running import graph_of, node

PROFILES = ("litert-fp32", "litert-int8", "litert-int16x8")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    """All profiles of LiteRT."""
    return compile_bundle(digits_request(tmp_path_factory.mktemp("litert") / "bundle", *PROFILES))


def test_every_profile_keeps_its_promise(compiled: CompileResult) -> None:
    assert [one.manifest.profile for one in compiled.variants] == list(PROFILES)
    for one in compiled.variants:
        assert one.manifest.runtime == "litert"
        assert one.manifest.numeric_class is NumericClass.HOST_EXACT
        assert one.manifest.entrypoint == "b1.tflite"
        assert one.proof.accuracy.value > 0.98


def test_wanted_batch_sizes_get_a_model() -> None:
    graph = summarise((DIGITS / "digits.onnx").read_bytes(), stage="test")
    assert [*variant_files(graph, Batches(wanted=(1, 4)))] == ["b1.tflite", "b4.tflite"]


@pytest.mark.skipif(not REAL_MODELS.is_dir(), reason=f"no {REAL_MODELS}")
@pytest.mark.parametrize(
    ("file", "names"),
    [("ad_autoencoder/ad_fp32.onnx", ["b1.tflite", "b8.tflite"]), ("kws_dscnn/kws_fp32.onnx", ["b1.tflite"])],
)
def test_an_offered_batch_size_is_for_dense_models(file: str, names: list[str]) -> None:
    graph = summarise((REAL_MODELS / file).read_bytes(), stage="test")
    assert [*variant_files(graph, Batches(offered=(8,)))] == names


def test_what_is_not_covered_names_the_profile() -> None:
    made = model([node("Det", ["x"])], inputs={"x": (1, 3, 3)}, outputs={"y": (1,)})
    job = TargetJob(
        graph=graph_of(made),
        profile=load_profile("litert-fp32"),
        contract=load_contract(DIGITS / "contract.toml"),
        batches=Batches(),
    )
    with pytest.raises(UnsupportedOperatorError, match="profile litert-fp32") as caught:
        lower(job)
    assert (caught.value.operator, caught.value.node) == ("Det", "y")
    assert "leave profile litert-fp32 out" in caught.value.advice
