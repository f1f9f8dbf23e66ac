"""Models that somebody broke on purpose: each is refused by name, in no time, and never a traceback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper  # noqa: TID251

from compiler.importer.values import MAX_NODE_NAME_CHARS
from edge_bundle.errors import CompileError, LimitExceededError
from tests.compiler.importer.reading import integers, node, proto, read
from tests.wasm.against_ort import graph, model, value

ROW = {"x": [1, 4]}
IMAGE = {"x": [1, 4, 4, 4]}
FOUR = np.ones(4, np.float32)
KERNEL = np.ones((4, 4, 3, 1), np.float32)


def added(tensor: TensorProto) -> ModelProto:
    """``x`` plus a tensor."""
    made = proto([node("Add", "x c", "y")], ROW, "y")
    made.graph.initializer.append(tensor)
    tensor.name = "c"
    return made


def edited(array: NDArray[Any], **changes: Any) -> TensorProto:
    """A tensor with other fields than its array has."""
    tensor = numpy_helper.from_array(array)
    for name, change in changes.items():
        if name == "dims":
            tensor.dims[:] = change
        else:
            setattr(tensor, name, change)
    return tensor


def looped(tensor: TensorProto) -> ModelProto:
    """A loop whose body has a tensor."""
    tensor.name = "c"
    body = helper.make_graph(
        [node("Identity", "go", "on"), node("Add", "v c", "w")], "body",
        [value("i", TensorProto.INT64), value("go", TensorProto.BOOL), value("v", TensorProto.FLOAT, [1, 4])],
        [value("on", TensorProto.BOOL), value("w", TensorProto.FLOAT, [1, 4])], [tensor],
    )  # fmt: skip
    constants = {"n": np.array(3), "true": np.array(True)}
    return proto([node("Loop", "n true x", "y", body=body)], ROW, "y", constants)


def untyped(made: NodeProto) -> NodeProto:
    """A node whose attribute has no type."""
    made.attribute[0].type = AttributeProto.UNDEFINED
    return made


def declared(shape: list[int] | None = None, result: int = TensorProto.FLOAT) -> ModelProto:
    """A negation with other types than it has."""
    given = [value("x", TensorProto.FLOAT, shape or [1, 4])]
    return model(graph([node("Neg", "x", "y")], given, [value("y", result, None)]))


def doubled(times: int) -> ModelProto:
    """Concatenations of a value with itself, one after the other."""
    nodes = [node("Concat", f"v{turn} v{turn}", f"v{turn + 1}", axis=0) for turn in range(times)]
    return proto(nodes, {"v0": [1, 4]}, f"v{times}")


CASES: dict[str, tuple[ModelProto, str]] = {
    "bytes that are no floats": (added(edited(FOUR, raw_data=b"1234567")), "buffer size must be a multiple"),
    "bytes for more elements": (added(edited(FOUR, raw_data=bytes(700))), "cannot reshape"),
    "a shape of terabytes": (added(edited(FOUR, dims=[1 << 40, 1 << 40])), "cannot reshape"),
    "a dtype that is none": (added(edited(FOUR, data_type=99)), "expected a dtype in use, got number 99"),
    "bytes that are no floats, in a body": (looped(edited(FOUR, raw_data=b"12")), "buffer size must be a multiple"),
    "bfloat16 in a body": (
        looped(helper.make_tensor("c", TensorProto.BFLOAT16, [4], [1, 2, 3, 4])),
        "expected a dtype in use, got bfloat16",
    ),
    "strings in a body": (
        looped(TensorProto(dims=[1], data_type=TensorProto.STRING, string_data=[b"a"])), "expected a dtype in use, got string",
    ),
    "too few numbers in an attribute": (
        proto(
            [
                node("Constant", "", "c", value=TensorProto(dims=[4], data_type=1, float_data=[1, 2])),
                node("Add", "x c", "y"),
            ],
            ROW, "y",
        ),
        "cannot reshape",
    ),
    "an attribute without a type": (proto([untyped(node("Transpose", "x", "y", perm=[1, 0]))], ROW, "y"), "."),
    "a size below 0": (declared([-5, 4]), "input 'x': expected sizes of at least 0"),
    "an output of another dtype": (declared(result=TensorProto.INT64), "expected tensor of int64 as declared, got FP32"),
    "no groups": (proto([node("Conv", "x w", "y", group=0)], IMAGE, "y", {"w": KERNEL}), "expected groups"),
    "groups that do not divide": (
        proto([node("ConvTranspose", "x w", "y", group=3)], IMAGE, "y", {"w": KERNEL}), "expected groups",
    ),
    "a mode of padding that there is none of": (
        proto([node("MaxPool", "x", "y", kernel_shape=[1, 1], auto_pad="FULL")], IMAGE, "y"), "expected auto_pad",
    ),
    "a slope of other channels": (
        proto([node("PRelu", "x s", "y")], IMAGE, "y", {"s": np.ones(3, np.float32)}), "expected a slope",
    ),
    "scales of other channels": (
        proto(
            [node("DequantizeLinear", "q s", "w", axis=0), node("MatMul", "x w", "y")], ROW, "y",
            {"q": np.ones((4, 4), np.int8), "s": np.ones(3, np.float32)},
        ),
        "expected one scale or one for each index of axis 0",
    ),
}  # fmt: skip


def branched(times: int) -> ModelProto:
    """Branches inside branches, each twice: 2^times nodes."""
    branch = helper.make_graph([node("Neg", "x", "y")], "branch", [], [value("y", TensorProto.FLOAT, None)])
    for _ in range(times):
        made = node("If", "p", "y", then_branch=branch, else_branch=branch)
        branch = helper.make_graph([made], "branch", [], [value("y", TensorProto.FLOAT, None)])
    made = node("If", "p", "y", then_branch=branch, else_branch=branch)
    given = [value("x", TensorProto.FLOAT, [1, 4]), value("p", TensorProto.BOOL, [])]
    return model(graph([made], given, [value("y", TensorProto.FLOAT, None)]))


LIMITS: dict[str, tuple[ModelProto, str]] = {
    "branches that double": (branched(16), "model: expected at most 100000 nodes, got 100001"),
    "a value that no memory holds": (doubled(40), "value 'v29': expected at most 4294967296 bytes"),
    "an expansion to terabytes": (
        proto([node("Expand", "x s", "y")], ROW, "y", {"s": integers(1 << 31, 1 << 31, 4)}), "value 'y'",
    ),
    "windows over pads without end": (
        proto(
            [node("Conv", "x w", "y", pads=[1 << 40, 0, 1 << 40, 0], dilations=[1 << 40, 1])], IMAGE, "y",
            {"w": KERNEL},
        ),
        "padded input of Conv",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refused_by_name(name: str) -> None:
    made, message = CASES[name]
    with pytest.raises(CompileError, match=message):
        read(made)


@pytest.mark.parametrize("name", LIMITS)
def test_beyond_a_limit(name: str) -> None:
    made, message = LIMITS[name]
    with pytest.raises(LimitExceededError, match=message):
        read(made)


def test_a_model_that_gives_nothing() -> None:
    made = proto([node("Neg", "x", "y")], ROW, "y")
    made.graph.ClearField("output")
    with pytest.raises(CompileError, match="expected at least one output, got none"):
        read(made)


def test_names_of_functions_inside_functions_stay_short() -> None:
    inner = helper.make_function("own", "F", ["a"], ["b"], [node("Neg", "a", "b")], [helper.make_opsetid("", 18)])
    made = proto([helper.make_node("F", ["x"], ["y"], name="n" * 100_000, domain="own")], ROW, "y")
    made.functions.append(inner)
    made.opset_import.append(helper.make_opsetid("own", 1))
    assert max(len(one.name) for one in read(made).walk()) <= MAX_NODE_NAME_CHARS
