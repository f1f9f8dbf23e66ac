"""What is known when the model is read is not left to run time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from onnx import NodeProto, helper, numpy_helper  # noqa: TID251

from compiler.importer.evaluate import FREE_BYTES
from tests.compiler.importer.reading import Arrays, Shape, integers, node, ops, proto, read


@dataclass
class Folded:
    """``left`` are the operators that stay, ``shape`` is that of the output."""

    nodes: Sequence[NodeProto]
    left: list[str]
    shape: tuple[int, ...]
    inputs: dict[str, Shape] = field(default_factory=lambda: {"x": ["N", 6]})
    constants: Arrays = field(default_factory=dict)


TWO, AXES = np.array([[1.0], [2.0]], np.float32), integers(0)
CASES: dict[str, Folded] = {
    "shape arithmetic": Folded(
        [
            node("Shape", "x", "s"),
            node("Gather", "s zero", "n", axis=0),
            node("Unsqueeze", "n axes", "u"),
            node("Concat", "u minus", "t", axis=0),
            node("Reshape", "x t", "r"),
            node("Relu", "r", "y"),
        ],
        ["Relu"], (1, 6), constants={"zero": integers(0).reshape(()), "axes": AXES, "minus": integers(-1)},
    ),
    "a real reshape stays": Folded(
        [node("Reshape", "x t", "y")], ["Reshape"], (3, 2), constants={"t": integers(3, -1)}
    ),
    "size": Folded([node("Size", "x", "s"), node("Cast", "s", "f", to=1), node("Add", "x f", "y")], ["Add"], (1, 6)),
    "shape of a part": Folded(
        [node("Shape", "x", "s", start=-1), node("Cast", "s", "f", to=1), node("Add", "x f", "y")], ["Add"], (1, 6)
    ),
    "constant of shape": Folded(
        [node("Shape", "x", "s"), node("ConstantOfShape", "s", "z"), node("Add", "x z", "y")], ["Add"], (1, 6)
    ),
    "range": Folded(
        [node("Range", "a b c", "r"), node("Add", "x r", "y")], ["Add"], (1, 6),
        constants={name: np.array(number, np.float32) for name, number in {"a": 0, "b": 6, "c": 1}.items()},
    ),
    "arithmetic of constants": Folded(
        [node("Mul", "k k", "k2"), node("Exp", "k2", "e"), node("Mul", "x e", "y")], ["Mul"], (2, 6),
        constants={"k": TWO},
    ),
    "identities": Folded(
        [node("Identity", "x", "a"), node("Identity", "a", "b"), node("Neg", "b", "y")], ["Neg"], (1, 6)
    ),
    "dropout of inference": Folded([node("Dropout", "x", "a m"), node("Neg", "a", "y")], ["Neg"], (1, 6)),
    "cast to the same": Folded([node("Cast", "x", "a", to=1), node("Neg", "a", "y")], ["Neg"], (1, 6)),
    "cast like a value": Folded([node("CastLike", "x x", "a"), node("Neg", "a", "y")], ["Neg"], (1, 6)),
    "movements that move nothing": Folded(
        [
            node("Transpose", "x", "a", perm=[0, 1]),
            node("Slice", "a from to", "b"),
            node("Pad", "b pads", "c"),
            node("Tile", "c once", "d"),
            node("Expand", "d shape", "e"),
            node("Concat", "e", "f", axis=1),
            node("Flatten", "f", "g"),
            node("Neg", "g", "y"),
        ],
        ["Neg"], (1, 6),
        constants={"from": integers(0, 0), "to": integers(9, 9), "pads": integers(0, 0, 0, 0), "once": integers(1, 1),
                   "shape": integers(1, 6)},
    ),
    "a flip is no identity": Folded(
        [node("Slice", "x from to axes steps", "y")], ["Slice"], (1, 6),
        constants={"from": integers(-1), "to": integers(-99), "axes": integers(1), "steps": integers(-1)},
    ),
    "sum of one": Folded([node("Sum", "x", "a"), node("Neg", "a", "y")], ["Neg"], (1, 6)),
    "dead nodes": Folded([node("Exp", "x", "unused"), node("Neg", "x", "y")], ["Neg"], (1, 6)),
    "nothing to read": Folded(
        [node("Slice", "x from to axes", "none"), node("Concat", "none k", "y", axis=1)], [], (1, 3),
        constants={"from": integers(2), "to": integers(2), "axes": integers(1), "k": np.ones((1, 3), np.float32)},
    ),
    "weights of integers stay": Folded(
        [node("DequantizeLinear", "w s z", "d"), node("MatMul", "x d", "y")], ["DequantizeLinear", "MatMul"], (1, 2),
        constants={"w": np.ones((6, 2), np.int8), "s": np.array(0.5, np.float32), "z": np.array(0, np.int8)},
    ),
    "a large result of small constants stays": Folded(
        [node("Expand", "k shape", "e"), node("Add", "x e", "y")], ["Expand", "Add"], (FREE_BYTES, 6),
        constants={"k": np.ones((1, 6), np.float32), "shape": integers(FREE_BYTES, 6)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_leaves_what_depends_on_data(name: str) -> None:
    case = CASES[name]
    found = read(proto(case.nodes, case.inputs, "y", case.constants))
    assert [op for op in ops(found) if op != "Identity"] == case.left
    assert found.types["y"].shape == case.shape
    assert found.outputs == ("y",)
    for array in found.constants.values():
        assert not array.flags.writeable


def test_every_kind_of_constant() -> None:
    made = proto(
        [
            node("Constant", "", "a", value=numpy_helper.from_array(np.array([1.0, 2.0], np.float32))),
            node("Constant", "", "b", value_float=2.0),
            node("Constant", "", "c", value_floats=[3.0, 4.0]),
            node("Constant", "", "i", value_ints=[1]),
            node("Constant", "", "j", value_int=1),
            node("Sum", "a b c", "s"),
            node("Unsqueeze", "s i", "u"),
            node("Gather", "u j", "g"),
            node("Add", "x g", "y"),
        ],
        {"x": [1]},
        "y",
    )
    found = read(made)
    assert ops(found) == ["Add"]
    assert [array.tolist() for array in found.constants.values()] == [[8.0]]


OUTPUTS: dict[str, tuple[list[NodeProto], str, list[str]]] = {
    "input": ([node("Identity", "x", "y")], "y", ["Identity"]),
    "two names of one value": ([node("Neg", "x", "a"), node("Identity", "a", "y"), node("Identity", "a", "z")], "y z",
                               ["Neg", "Identity"]),
    "inner value": ([node("Neg", "x", "y"), node("Abs", "y", "z")], "y z", ["Neg", "Abs"]),
    "renamed value": ([node("Neg", "x", "a"), node("Dropout", "a", "y")], "y", ["Neg"]),
    "constant": ([node("Shape", "x", "s"), node("Cast", "s", "y", to=1)], "y", ["Identity"]),
    "value in the way": (
        [node("If", "c", "z", then_branch=helper.make_graph([node("Neg", "x", "y")], "t", [], [
            helper.make_tensor_value_info("y", 1, None)]),
            else_branch=helper.make_graph([node("Abs", "x", "y")], "e", [], [
                helper.make_tensor_value_info("y", 1, None)])), node("Exp", "z", "y")],
        "y", ["If", "Neg", "Abs", "Exp"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_keep_their_names(name: str) -> None:
    nodes, outputs, left = OUTPUTS[name]
    made = proto(nodes, {"x": [2, 3]}, outputs)
    if any(one.op_type == "If" for one in nodes):
        made.graph.input.add().CopyFrom(helper.make_tensor_value_info("c", 9, ()))
    found = read(made)
    assert list(found.outputs) == outputs.split()
    assert ops(found) == left
    makers = found.makers()
    assert all(output in makers for output in found.outputs)


def test_unused_optional_outputs_are_left_out() -> None:
    made = proto([node("MaxPool", "x", "y indices", kernel_shape=[2, 2])], {"x": [1, 1, 4, 4]}, "y")
    assert read(made).nodes[0].outputs == ("y",)


def test_an_initialiser_that_is_also_an_input_is_a_constant() -> None:
    made = proto([node("Add", "x w", "y")], {"x": [2], "w": [2]}, "y", {"w": np.ones(2, np.float32)})
    found = read(made)
    assert found.inputs == ("x",)
    assert list(found.constants) == ["w"]


def test_an_empty_input_is_read_by_nobody() -> None:
    made = proto([node("ReduceSum", "x axes", "y", keepdims=0)], {"x": [0, 3]}, "y", {"axes": AXES})
    found = read(made)
    assert found.inputs == ("x",)
    assert next(iter(found.constants.values())).tolist() == [0.0, 0.0, 0.0]
