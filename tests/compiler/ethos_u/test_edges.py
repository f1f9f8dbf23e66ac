"""Conversions at the edges of a TFLite file go, and are told."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ethos_u.edges import integer_edges
from compiler.ethos_u.report import operator_count
from compiler.tflite.schema import schema
from tests.compiler.ethos_u.files import real, small_network


def operators(tflite: bytes) -> list[int]:
    model = schema().ModelT.InitFromPackedBuf(tflite, 0)
    return [int(model.operatorCodes[one.opcodeIndex].builtinCode) for one in model.subgraphs[0].operators]


def test_only_the_convolution_is_left() -> None:
    given, interface = integer_edges(small_network())
    assert operators(given) == [schema().BuiltinOperator.CONV_2D]
    edge = interface.inputs[0]
    assert (edge.name, edge.dtype, edge.shape, edge.axes) == ("x", "int8", (1, 8, 8, 3), (0, 2, 3, 1))
    assert edge.scale == pytest.approx(0.05)
    assert edge.zero_point == 3
    edge = interface.outputs[0]
    assert (edge.name, edge.dtype, edge.shape, edge.axes) == ("y", "int8", (1, 8, 8, 4), (0, 2, 3, 1))


def test_axes_lead_from_the_contract_to_the_file_and_back() -> None:
    """What firmware does with ``interface.json`` gives what the whole file gives."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="needs ai-edge-litert")
    whole = small_network()
    given, interface = integer_edges(whole)
    x = np.random.default_rng(0).uniform(-6, 6, (1, 3, 8, 8)).astype(np.float32)

    def run(file: bytes, value: np.ndarray) -> np.ndarray:
        engine = interpreter.Interpreter(model_content=file)
        engine.allocate_tensors()
        engine.set_tensor(engine.get_input_details()[0]["index"], value)
        engine.invoke()
        return np.asarray(engine.get_tensor(engine.get_output_details()[0]["index"]))

    into, out = interface.inputs[0], interface.outputs[0]
    stored = np.clip(np.round(x / np.float32(into.scale)) + into.zero_point, -128, 127).astype(np.int8)
    answer = run(given, stored.transpose(into.axes))
    real_values = (answer.astype(np.float32) - out.zero_point) * np.float32(out.scale)
    back = np.transpose(real_values, np.argsort(out.axes))
    np.testing.assert_array_equal(back, run(whole, x))


def test_an_operator_on_floats_keeps_its_edge() -> None:
    given, interface = integer_edges(small_network(float_end=True))
    wanted = schema().BuiltinOperator
    assert operators(given) == [wanted.CONV_2D, wanted.TRANSPOSE, wanted.DEQUANTIZE, wanted.RSQRT]
    assert interface.outputs[0].dtype == "float32"
    assert (interface.outputs[0].scale, interface.outputs[0].zero_point) == (0.0, 0)


@pytest.mark.parametrize("name", ["kws_dscnn/kws_int8", "ic_resnet8/ic_int8", "mobilenetv2/mobilenet_v2_uint8io"])
def test_integers_stay_as_they_are(name: str) -> None:
    """A file with integer edges keeps every operator; a change of scale (``QUANTIZE`` of integers) is the NPU's."""
    file = real(name)
    given, interface = integer_edges(file)
    assert operator_count(given) == operator_count(file)
    assert {edge.dtype for edge in (*interface.inputs, *interface.outputs)} <= {"int8", "uint8"}


def test_the_same_file_gives_the_same_bytes() -> None:
    assert integer_edges(small_network()) == integer_edges(small_network())
