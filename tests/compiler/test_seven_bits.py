"""The quantized graph for relaxed SIMD: stored activations have 7 bits, whatever the input."""

from __future__ import annotations

import numpy as np
import onnx  # noqa: TID251
import pytest
from numpy.typing import NDArray
from onnx import helper  # noqa: TID251

from compiler.dataset import load_calibration
from compiler.graph import Graph
from compiler.importer.read_graph import read_graph
from compiler.ort_rewrite import open_session, session_options
from compiler.passes import calibrate
from compiler.passes.import_model import import_graph
from compiler.progress import Silent
from compiler.quantization.quantize import quantize
from compiler.scheme import Scheme, scheme_of
from compiler.wasm.compile import compile_module
from compiler.wasm.options import WasmOptions
from compiler.wasm.pipeline import run_passes
from compiler.wasm_tools.instance import run_module
from edge_bundle.contract_file import parse_contract
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Activations
from tests.compiler.models import DIGITS

SEVEN = Scheme(Activations.UINT8, 7)


@pytest.fixture(scope="module")
def seven() -> Graph:
    """The digits model in 7 bits."""
    contract = parse_contract((DIGITS / "contract.toml").read_text(), file="contract.toml")
    graph = import_graph((DIGITS / "digits.onnx").read_bytes(), contract, file="contract.toml")
    dataset = load_calibration(DIGITS / "calibration.npz", contract.inputs)
    observed = calibrate.measure(graph, dataset, list(range(50)), Silent())
    return quantize(graph, observed, SEVEN).graph


@pytest.mark.parametrize(
    ("profile", "scheme"),
    [
        ("wasm-relaxed-simd", SEVEN),
        ("wasm-simd128-int8", Scheme(Activations.UINT8)),
        ("cpu-int8", Scheme(Activations.UINT8)),
    ],
)
def test_scheme_of_profiles(profile: str, scheme: Scheme) -> None:
    assert scheme_of(load_profile(profile)) == scheme


def inputs() -> NDArray[np.float32]:
    """Images, and values far outside of what was calibrated."""
    images = np.load(DIGITS / "evaluation.npz")["image"][:3].astype(np.float32)
    return np.concatenate([images, images * 50, -images * 50, np.full_like(images[:1], 1e30)])


def test_no_activation_is_stored_in_more(seven: Graph) -> None:
    model = onnx.load_model_from_string(seven.model)
    stored = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert len(stored) >= 6
    model.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None) for name in stored)
    session = open_session(model.SerializeToString(), session_options(), stage="test")
    largest = [int(array.max()) for array in session.run(stored, {"image": inputs()})]
    assert max(largest) == 127


def test_integer_operators_know_it(seven: Graph) -> None:
    graph = run_passes(read_graph(seven.model, batch=1, dims={}, bind={}, stage="test"), WasmOptions(relaxed=True))
    found = [node.attrs["spec"].x_limits for node in graph.nodes if node.op in ("skerry.qconv2d", "skerry.qgemm")]
    assert len(found) == 3
    assert all(limits is not None and limits[0] >= 0 and limits[1] <= 127 for limits in found)


@pytest.mark.parametrize("relaxed", [False, True])
def test_it_gives_what_onnxruntime_gives(seven: Graph, relaxed: bool) -> None:
    module = compile_module(seven.model, WasmOptions(relaxed=relaxed))
    session = open_session(seven.model, session_options(), stage="test")
    for row in inputs():
        (got,) = run_module(module, {"image": row[None]}).values()
        np.testing.assert_allclose(got, session.run(None, {"image": row[None]})[0], rtol=1e-5, atol=1e-7)
