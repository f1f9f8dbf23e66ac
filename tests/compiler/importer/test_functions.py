"""Operators that ONNX defines by others, and functions that a model brings along."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, helper  # noqa: TID251

from compiler.wasm.compile import compile_graph
from compiler.wasm.options import WasmOptions
from compiler.wasm_tools.instance import run_module
from edge_bundle.errors import CompileError, UnsupportedOperatorError
from tests.compiler.importer.reading import Arrays, integers, node, ops, proto, read
from tests.wasm.against_ort import check, expected

X = np.linspace(-2, 2, 24, dtype=np.float32).reshape(2, 3, 4)
DIGEST = "sha256:" + "0" * 64
STANDARD: dict[str, tuple[int, str, dict[str, object], Arrays]] = {
    "LayerNormalization": (17, "x k", {"axis": -1}, {"k": np.arange(4, dtype=np.float32)}),
    "Softmax": (13, "x", {"axis": 1}, {}),
    "LogSoftmax": (13, "x", {}, {}),
    "Gelu": (20, "x", {"approximate": "tanh"}, {}),
    "HardSwish": (14, "x", {}, {}),
    "HardSigmoid": (22, "x", {"alpha": 0.3}, {}),
    "Elu": (22, "x", {"alpha": 0.5}, {}),
    "Selu": (22, "x", {}, {}),
    "Mish": (22, "x", {}, {}),
    "Softplus": (22, "x", {}, {}),
    "Relu": (14, "x", {}, {}),
    "Clip": (13, "x k", {}, {"k": np.array(0.25, np.float32)}),
    "MeanVarianceNormalization": (13, "x", {"axes": [0, 2]}, {}),
    "ReduceL2": (18, "x k", {"keepdims": 0}, {"k": integers(1)}),
    "ReduceLogSumExp": (18, "x", {}, {}),
    "PRelu": (16, "x k", {}, {"k": np.array([[0.5]], np.float32)}),
    "ThresholdedRelu": (22, "x", {"alpha": 0.5}, {}),
    "DynamicQuantizeLinear": (11, "x", {}, {}),
}
"""Opset, inputs, attributes, constants. Each has a kernel or not: here none of them has."""


@pytest.mark.parametrize("name", STANDARD)
def test_a_body_takes_the_place_of_an_operator_without_a_kernel(name: str) -> None:
    opset, inputs, attrs, constants = STANDARD[name]
    outputs = "y s z" if name == "DynamicQuantizeLinear" else "y"
    made = proto([node(name, inputs, outputs, name="one", **attrs)], {"x": X.shape}, "y", constants, opset=opset)
    if name == "DynamicQuantizeLinear":
        made.graph.output[0].type.tensor_type.elem_type = 2
    primitives = {"Max", "Min", "Exp", "Log", "Where", "Cast", "Reshape", "Round", "Div", "Less", "Tanh", "ReduceSum"}
    found = read(made, native=primitives)
    assert name not in ops(found)
    assert all(one.name.startswith("one/") for one in found.nodes)
    module = compile_graph(found, WasmOptions(), source=DIGEST)
    np.testing.assert_allclose(run_module(module, {"x": X})["y"], expected(made, {"x": X})["y"], rtol=2e-5, atol=1e-6)


def test_an_operator_with_a_kernel_stays() -> None:
    made = proto([node("Relu", "x", "y")], {"x": [3]}, "y")
    assert ops(read(made, native={"Relu"})) == ["Relu"]
    assert ops(read(made)) == ["Relu"]


def _with_functions(recursive: bool = False) -> ModelProto:
    """``own.Scaled`` multiplies by an attribute with a default and calls ``own.Twice``."""
    made = proto([node("Scaled", "x", "a", domain="own", factor=3.0), node("Scaled", "a", "y", domain="own")],
                 {"x": ["N", 3]}, "y")  # fmt: skip
    made.opset_import.add(domain="own", version=1)
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    factor = helper.make_node("Constant", [], ["f"])
    factor.attribute.add(name="value_float", ref_attr_name="factor", type=1)
    default = helper.make_attribute("factor", 0.5)
    inner = "Scaled" if recursive else "Twice"
    body = [factor, node("Mul", "v f", "m"), node(inner, "m", "w", domain="own")]
    made.functions.append(
        helper.make_function("own", "Scaled", ["v"], ["w"], body, imports, attribute_protos=[default])
    )
    made.functions.append(helper.make_function("own", "Twice", ["v"], ["w"], [node("Add", "v v", "w")], imports))
    return made


def test_functions_of_the_model_are_replaced_by_their_bodies() -> None:
    made = _with_functions()
    assert ops(read(made)) == ["Mul", "Add", "Mul", "Add"]
    check(made, {"x": np.array([[1.0, -2.0, 0.5]], np.float32)})


def test_functions_that_call_themselves_are_refused() -> None:
    with pytest.raises(CompileError, match="at most 16 deep"):
        read(_with_functions(recursive=True))


def test_a_function_body_reaches_a_kernel_that_does_not_cover_a_use() -> None:
    """Clip of int8 has no vectors of its own kind everywhere: whichever way, the answer is ONNX Runtime's."""
    made = proto([node("Clip", "x k", "y")], {"x": [5]}, "y", {"k": np.array(-2, np.int8)}, dtype=3)
    check(made, {"x": np.array([-5, -2, 0, 3, 127], np.int8)})


REFUSED = {
    "another domain": (node("FusedConv", "x", "y", name="odd", domain="com.microsoft"), "com.microsoft"),
    "unknown": (node("Frobnicate", "x", "y", name="odd"), "no such operator"),
    "sequence": (node("SequenceConstruct", "x", "y", name="odd"), "a sequence"),
    "optional": (node("Optional", "x", "y", name="odd"), "a optional"),
    "strings": (node("Constant", "", "y", name="odd", value_string="a"), "value_string"),
    "bfloat16": (node("Cast", "x", "y", name="odd", to=16), "bfloat16"),
    "training": (node("Dropout", "x r t", "y", name="odd"), "random"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_by_operator_and_node(name: str) -> None:
    one, words = REFUSED[name]
    made = proto([one], {"x": [3]}, "y", {"r": np.array(0.5, np.float32), "t": np.array(True)})
    made.opset_import.add(domain="com.microsoft", version=1)
    with pytest.raises(UnsupportedOperatorError, match=words) as caught:
        read(made)
    assert (caught.value.operator, caught.value.node) == (one.op_type, "odd")


def test_sparse_and_foreign_initialisers_are_refused() -> None:
    made = proto([node("Add", "x w", "y")], {"x": [3]}, "y")
    made.graph.initializer.add(name="w", data_type=16, dims=[3], raw_data=bytes(6))
    with pytest.raises(UnsupportedOperatorError, match="bfloat16"):
        read(made)
    sparse = proto([node("Add", "x w", "y")], {"x": [3]}, "y")
    sparse.graph.sparse_initializer.add(dims=[3]).values.name = "w"
    with pytest.raises(UnsupportedOperatorError, match="sparse"):
        read(sparse)


BROKEN: dict[str, tuple[list[object], str]] = {
    "undefined": ([node("Neg", "z", "y")], "expected input 'z' to be defined before"),
    "in the wrong order": ([node("Neg", "a", "y"), node("Exp", "x", "a")], "defined before"),
    "defined twice": ([node("Neg", "x", "y"), node("Exp", "x", "y")], "one definition of 'y'"),
    "shapes": ([node("MatMul", "x x", "y")], "Incompatible dimensions"),
    "no output": ([node("Neg", "x", "z")], "output 'y': expected a value"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_told_in_one_line(name: str) -> None:
    nodes, words = BROKEN[name]
    with pytest.raises(CompileError, match=words):
        read(proto(nodes, {"x": [2, 3]}, "y"))  # type: ignore[arg-type]


def test_a_function_of_a_newer_opset_is_refused_with_advice() -> None:
    body = helper.make_function(
        "local", "Twice", ["a"], ["b"], [node("Add", "a a", "b")], [helper.make_opsetid("", 27)]
    )
    made = proto([helper.make_node("Twice", ["x"], ["y"], domain="local")], {"x": [3]}, "y")
    made.functions.append(body)
    made.opset_import.append(helper.make_opsetid("local", 1))
    with pytest.raises(CompileError, match="expected a function of opset 1 to 26, got 27") as found:
        read(made)
    assert found.value.advice == "export the model with opset 26 or older"


def test_a_refusal_says_what_helps() -> None:
    made = proto([node("NonZero", "x", "y")], {"x": [3]}, "y")
    made.graph.output[0].type.tensor_type.elem_type = 7
    with pytest.raises(UnsupportedOperatorError, match="depends on the data") as found:
        read(made)
    assert "such as cpu-fp32" in found.value.advice
