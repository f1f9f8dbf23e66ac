"""The quantizer's promises on a whole small network, under every scheme."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx  # noqa: TID251 - the written graph is inspected
import pytest
from onnx import numpy_helper  # noqa: TID251

from compiler.graph import Graph
from compiler.importer.qdq_read import read_network
from compiler.quantization.evaluate import sqnr_db, values_of
from compiler.quantization.layers import layers_of
from compiler.quantization.observed import Observed, nothing_observed
from compiler.quantization.placement import place
from compiler.quantization.quantize import Quantizer, quantize
from compiler.scheme import Scheme
from edge_bundle.errors import CompileError
from hardware_profiles.schema import Activations, Fallback
from tests.compiler.quantization.graphs import network, observed, samples

UINT8 = Scheme(Activations.UINT8)
SCHEMES = {
    "uint8": (UINT8, 22.0),
    "seven-bits": (Scheme(Activations.UINT8, 7), 12.0),
    "int8": (Scheme(Activations.INT8), 20.0),
    "litert": (Scheme(Activations.INT8_ASYMMETRIC), 22.0),
    "npu": (Scheme(Activations.INT8_ASYMMETRIC, fallback=Fallback.NONE), 16.0),
    "qnn": (Scheme(Activations.UINT16, fallback=Fallback.INT16), 30.0),
    "a16w8": (Scheme(Activations.INT16), 30.0),
    "w8": (Scheme(None), 30.0),
    "w4": (Scheme(None, weight_bits=4), 10.0),
}


@pytest.fixture(name="graph", scope="module")
def _graph() -> Graph:
    return network()


@pytest.fixture(name="seen", scope="module")
def _seen(graph: Graph) -> Observed:
    return observed(graph)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_is_near_the_float_model(name: str, graph: Graph, seen: Observed) -> None:
    scheme, least_db = SCHEMES[name]
    found = quantize(graph, seen, scheme)
    rows = samples(8, seed=99)
    (want, got) = (values_of(one.model, ["y"], rows)["y"] for one in (graph, found.graph))
    assert sqnr_db(want, got) > least_db
    assert (found.graph.inputs, found.graph.outputs) == (graph.inputs, graph.outputs)
    assert found.graph.quantized
    assert [layer.name for layer in found.layers] == ["first", "depthwise", "pointwise", "last"]


@pytest.mark.parametrize("name", ["uint8", "litert", "w4"])
def test_same_input_same_bytes(name: str, graph: Graph) -> None:
    scheme = SCHEMES[name][0]
    first, second = (quantize(graph, observed(graph), scheme) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["uint8", "seven-bits", "int8", "litert", "npu", "qnn", "a16w8"])
def test_every_value_is_stored_in_one_way(name: str, graph: Graph, seen: Observed) -> None:
    """One QuantizeLinear per value, and every reader of a stored value reads its one DequantizeLinear."""
    model = onnx.load_model_from_string(quantize(graph, seen, SCHEMES[name][0]).graph.model)
    sources = [node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert len(sources) == len(set(sources))
    stored = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    readers = [node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert all(readers.count(value) == 1 for value in stored)


@pytest.mark.parametrize("name", ["uint8", "litert", "npu"])
def test_moves_and_joins_keep_the_scale(name: str, graph: Graph, seen: Observed) -> None:
    model = onnx.load_model_from_string(quantize(graph, seen, SCHEMES[name][0]).graph.model)
    scales = _scales(model)
    tied = [node for node in model.graph.node if node.op_type in ("MaxPool", "Concat")]
    if name != "uint8":  # LiteRT's average pool keeps the scale too
        tied += [node for node in model.graph.node if node.op_type == "AveragePool"]
    assert tied
    for node in tied:
        found = {scales[value] for value in (*node.input, *node.output)}
        assert len(found) == 1, node.name


def _scales(model: onnx.ModelProto) -> dict[str, tuple[float, int]]:
    """Scale and zero point of every value that is stored, or read from stored."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and arrays[node.input[1]].ndim == 0:
            pair = float(arrays[node.input[1]]), int(arrays[node.input[2]])
            found[node.input[0] if node.op_type == "QuantizeLinear" else node.output[0]] = pair
    return found


@pytest.mark.parametrize(
    ("name", "makers"),
    [
        pytest.param("uint8", {"Softmax": False, "Gemm": False}, id="cpu"),
        pytest.param("litert", {"Softmax": False, "Gemm": True}, id="litert"),
        pytest.param("npu", {"Softmax": True, "Gemm": True}, id="npu"),
    ],
)
def test_heads_and_last_products(name: str, makers: dict[str, bool], graph: Graph, seen: Observed) -> None:
    model = onnx.load_model_from_string(quantize(graph, seen, SCHEMES[name][0]).graph.model)
    quantized = {node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    for operator, want in makers.items():
        (node,) = (node for node in model.graph.node if node.op_type == operator)
        assert (node.output[0] in quantized) is want


def test_softmax_on_an_npu_has_litert_s_fixed_scale(graph: Graph, seen: Observed) -> None:
    model = onnx.load_model_from_string(quantize(graph, seen, SCHEMES["npu"][0]).graph.model)
    (softmax,) = (node for node in model.graph.node if node.op_type == "Softmax")
    assert _scales(model)[softmax.output[0]] == (1 / 256, -128)


@pytest.mark.parametrize(
    ("activations", "keep", "logits", "answers"),
    [
        pytest.param(Activations.UINT8, (), "uint8", "uint8", id="qnn: bytes in and out"),
        pytest.param(Activations.UINT8, ("last",), "uint16", "uint16", id="qnn: 16 bits in and out"),
        pytest.param(Activations.INT8_ASYMMETRIC, (), "int8", "int8", id="ethos-u: bytes in and out"),
        pytest.param(Activations.INT8_ASYMMETRIC, ("last",), "int16", "int16", id="ethos-u: 16 bits in and out"),
    ],
)
def test_heads_where_the_device_has_sixteen_bits(
    activations: Activations, keep: tuple[str, ...], logits: str, answers: str, graph: Graph, seen: Observed
) -> None:
    scheme = Scheme(activations, fallback=Fallback.INT16)
    model = onnx.load_model_from_string(quantize(graph, seen, scheme, dict.fromkeys(keep, "int16")).graph.model)
    zeros = {t.name: numpy_helper.to_array(t).dtype.name for t in model.graph.initializer}
    (head,) = (node for node in model.graph.node if node.op_type == "Softmax")
    pairs = {n.output[0]: n.input[2] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    pairs |= {n.input[0]: n.input[2] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    assert (zeros[pairs[head.input[0]]], zeros[pairs[head.output[0]]]) == (logits, answers)


def test_activations_are_left_to_saturation(graph: Graph, seen: Observed) -> None:
    counts = quantize(graph, seen, UINT8).graph.op_counts
    assert not {"Relu", "Clip", "Min"} & set(counts)
    assert "Relu" in quantize(graph, seen, Scheme(Activations.INT8)).graph.op_counts


def test_biases_have_input_scale_times_weight_scale(graph: Graph, seen: Observed) -> None:
    model = onnx.load_model_from_string(quantize(graph, seen, UINT8).graph.model)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    makers = {node.output[0]: node for node in model.graph.node}
    for node in (node for node in model.graph.node if node.op_type in ("Conv", "Gemm")):
        x, w, b = (arrays[makers[name].input[1]] for name in node.input[:3])
        np.testing.assert_allclose(b, np.float32(x) * w, rtol=1e-6)
        assert arrays[makers[node.input[2]].input[0]].dtype == np.int32
        assert w.shape == (arrays[makers[node.input[1]].input[0]].shape[0],)


def test_a_kept_layer_is_float_and_so_is_what_it_reads(graph: Graph, seen: Observed) -> None:
    quantizer = Quantizer(graph, seen, UINT8)
    plain, kept = quantizer.quantize({}), quantizer.quantize({"depthwise": "float"})
    assert {layer.name: layer.precision for layer in kept.layers}["depthwise"] == "float"
    assert [layer.kept for layer in kept.layers] == [False, True, False, False]
    model = onnx.load_model_from_string(kept.graph.model)
    makers = {node.output[0]: node for node in model.graph.node}
    (node,) = (node for node in model.graph.node if node.name == "depthwise")
    assert all(name not in makers or makers[name].op_type != "DequantizeLinear" for name in node.input)
    assert plain == quantizer.quantize({})


@pytest.mark.parametrize("name", ["first", "depthwise"])
def test_a_layer_kept_in_16_bits_gives_16_bits(name: str, graph: Graph, seen: Observed) -> None:
    """Also behind a fused activation: NPUs take a convolution only where input and output are stored alike."""
    quantizer = Quantizer(graph, seen, Scheme(Activations.UINT8, fallback=Fallback.INT16))
    model = onnx.load_model_from_string(quantizer.quantize({name: "int16"}).graph.model)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    makers = {node.output[0]: node for node in model.graph.node}
    (layer,) = (node for node in model.graph.node if node.name == name)
    (reader,) = (node for node in model.graph.node if layer.output[0] in node.input)
    assert reader.op_type == "QuantizeLinear"
    assert arrays[reader.input[2]].dtype == arrays[makers[layer.input[0]].input[2]].dtype == np.uint16


def test_all_layers_kept_is_nearly_float(graph: Graph, seen: Observed) -> None:
    quantizer = Quantizer(graph, seen, Scheme(Activations.UINT8, fallback=Fallback.INT16))
    kept = quantizer.quantize(dict.fromkeys(quantizer.layers, "int16"))
    assert {layer.precision for layer in kept.layers} == {"a16w8"}
    assert kept.graph.opset >= 21
    plain, wide = quantizer.quantize({}).layers[-1].sqnr_db, kept.layers[-1].sqnr_db
    assert plain is not None
    assert wide is not None
    assert wide > plain - 1.0


@pytest.mark.parametrize(("keep", "text"), [({"nobody": "float"}, "'nobody'"), ({"first": "fp16"}, "'fp16'")])
def test_keep_names_layers(keep: dict[str, str], text: str, graph: Graph, seen: Observed) -> None:
    with pytest.raises(CompileError, match=text):
        Quantizer(graph, seen, UINT8).quantize(keep)


def test_weights_alone_need_no_samples(graph: Graph) -> None:
    found = quantize(graph, nothing_observed(graph.digest), Scheme(None))
    assert "QuantizeLinear" not in found.graph.op_counts
    assert {layer.precision for layer in found.layers} == {"w8"}


def test_int4_is_smaller(graph: Graph) -> None:
    nothing = nothing_observed(graph.digest)
    eight, four = (quantize(graph, nothing, Scheme(None, weight_bits=bits)).graph for bits in (8, 4))
    assert four.opset >= 21
    assert len(four.model) < len(eight.model)


def test_few_samples_give_minimum_and_maximum(graph: Graph, seen: Observed) -> None:
    few = replace(seen, rows=seen.rows[:1])
    assert {layer.method for layer in quantize(graph, few, UINT8).layers} <= {"min-max", ""}


def test_placement_of_fused_activations(graph: Graph) -> None:
    found = read_network(graph.model, stage="test")
    placement = place(found, layers_of(found), UINT8, {})
    assert "c1" not in placement.groups
    assert placement.fused == {"bounded": "a1", "relu": "a2"}
    assert placement.groups["p"] == placement.groups["s"] == placement.groups["j"] == placement.groups["q"]
