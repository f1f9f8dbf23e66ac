"""Weight-only variants on ONNX Runtime: smaller files without a calibration set, arithmetic in float32."""

from __future__ import annotations

from pathlib import Path

import onnx  # noqa: TID251 - looks into what the package wrote
import pytest

from compiler.compile import CompileResult, compile_bundle
from compiler.compile_options import engine_options
from edge_agent.activate import prove
from edge_bundle.manifest import NumericClass
from edge_runtime.onnxruntime_engine import _session_options
from edge_runtime.quiet_import import import_quietly
from hardware_profiles.loader import load_profile
from tests.compiler.models import digits_request, verified

onnxruntime = import_quietly("onnxruntime")

BITS = {"cpu-w8": 8, "cpu-w4": 4}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    folder = tmp_path_factory.mktemp("weights")
    return compile_bundle(digits_request(folder / "bundle", "cpu-fp32", *BITS, calibration_path=None, strict=True))


def test_they_are_smaller_and_keep_the_contract(made: CompileResult) -> None:
    size = {one.manifest.profile: one.proof.artifact_bytes for one in made.variants}
    assert size["cpu-w8"] < 0.35 * size["cpu-fp32"]
    assert size["cpu-w4"] < 0.9 * size["cpu-w8"]
    for one in made.variants:
        assert one.proof.accuracy.value >= made.reference.value - 0.01
        assert one.proof.numeric_class is NumericClass.HOST_EXACT


@pytest.mark.parametrize("profile", BITS)
def test_the_weights_alone_are_integers(made: CompileResult, profile: str) -> None:
    variant = verified(made.bundle_dir).variants[profile]
    model = onnx.load_from_string(variant.files["model.onnx"])
    wide = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    kinds = wide if BITS[profile] == 8 else {onnx.TensorProto.INT4, onnx.TensorProto.UINT4}
    assert sum(tensor.data_type in kinds for tensor in model.graph.initializer) >= 3
    assert "QuantizeLinear" not in {node.op_type for node in model.graph.node}, "activations stay float"
    assert "DequantizeLinear" in {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("profile", BITS)
def test_weights_are_unpacked_when_the_model_is_loaded(made: CompileResult, profile: str, tmp_path: Path) -> None:
    """Left alone, ONNX Runtime unpacks them in every run, which takes many times as long as the model itself."""
    variant = verified(made.bundle_dir).variants[profile]
    chosen = {"spinning": "off", "int8-kernels": "auto", "weights": "as-stored"}
    left: dict[str, int] = {}
    for options in (chosen, {**chosen, **variant.manifest.options}):
        settings = _session_options(1, options)
        settings.optimized_model_filepath = str(tmp_path / f"{len(left)}.onnx")
        onnxruntime.InferenceSession(variant.files["model.onnx"], settings, providers=["CPUExecutionProvider"])
        graph = onnx.load(settings.optimized_model_filepath).graph
        left[options["weights"]] = sum(node.op_type == "DequantizeLinear" for node in graph.node)
    assert left["unpacked"] == 0
    assert left["as-stored"] >= 3


@pytest.mark.parametrize("profile", BITS)
def test_a_node_activates_them(made: CompileResult, profile: str) -> None:
    served = prove(verified(made.bundle_dir).variants[profile])
    assert served.manifest.options == engine_options(load_profile(profile))
    served.engine.close()


def test_a_second_compile_gives_the_same_bytes(made: CompileResult, tmp_path: Path) -> None:
    request = digits_request(tmp_path / "bundle", "cpu-fp32", *BITS, calibration_path=None)
    assert compile_bundle(request).bundle_digest == made.bundle_digest
