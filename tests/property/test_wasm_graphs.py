"""Random small graphs through the whole WebAssembly compiler, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from numpy.typing import NDArray
from onnx import ModelProto  # noqa: TID251

from compiler.dataset import Dataset
from compiler.importer.onnx_rewrite import canonicalise
from compiler.importer.summary import summarise
from compiler.ort_rewrite import onnxruntime, open_session, session_options
from compiler.passes.calibrate import measure
from compiler.progress import Silent
from compiler.quantization.operators import OPERATORS
from compiler.quantization.quantize import quantize
from compiler.scheme import Scheme
from compiler.wasm.compile import compile_module
from compiler.wasm_tools.instance import run_module
from edge_bundle.errors import CompileError
from hardware_profiles.schema import Activations
from tests.property.random_graphs import models

RELATIVE = 1e-4
"""Of the largest output; sums of a few hundred float32 products in another order."""

FLOAT_TAIL = 1e-5
"""What the quantizer leaves in float may differ in the last bits."""

quick = settings(
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@quick
@given(models())
def test_float_graphs(made: tuple[ModelProto, NDArray[Any]]) -> None:
    model, x = made
    data = model.SerializeToString()
    want = reference(data, x, fused=False)  # its fusion of Pad and MaxPool makes windows that it then refuses
    (got,) = run_module(compile_module(data), {"x": x}).values()
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=RELATIVE, atol=RELATIVE * max(float(np.abs(want).max()), 1e-3))


@quick
@given(models(plain=True))
def test_quantized_graphs(made: tuple[ModelProto, NDArray[Any]]) -> None:
    """ONNX Runtime's integer kernels and ours store the same bytes; one step of 255 would be far beyond the limit.

    Its fused average pooling rounds ties otherwise than the operators it stands for, so either answer is right.
    """
    model, x = made
    try:
        data = quantized(model, x)
    except CompileError as error:
        assume("expected a layer in the graph itself" not in error.detail)  # nothing there is worth quantizing
        raise
    try:
        want = reference(data, x, fused=True)
    except CompileError:
        assume(False)  # ONNX Runtime refuses what its own fusion made
    (got,) = run_module(compile_module(data), {"x": x}).values()
    unfused = reference(data, x, fused=False)
    limit = FLOAT_TAIL * float(np.abs(want).max())
    right = [np.isclose(got, one, rtol=FLOAT_TAIL, atol=limit) for one in (want, unfused)]
    assert np.logical_or(*right).all(), f"expected {want} or {unfused}, got {got}"


def reference(data: bytes, x: NDArray[Any], *, fused: bool) -> NDArray[Any]:
    """ONNX Runtime's answer, with its own fusions or without."""
    options = session_options()
    if not fused:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    found: NDArray[Any] = open_session(data, options, stage="test").run(None, {"x": x})[0]
    return found


def quantized(model: ModelProto, x: NDArray[Any]) -> bytes:
    """The graph in QDQ form, calibrated on one input."""
    graph = summarise(canonicalise(model.SerializeToString(), stage="test"), stage="test")
    assume(bool(set(OPERATORS) & set(graph.op_counts)))
    dataset = Dataset(
        digest="",
        samples=1,
        arrays={"x": x[None]},
        stacked=frozenset({"x"}),
        labels=np.zeros(0, dtype=np.int64),
        slices=(),
    )
    observed = measure(graph, dataset, [0], Silent())
    return quantize(graph, observed, Scheme(Activations.UINT8)).graph.model
