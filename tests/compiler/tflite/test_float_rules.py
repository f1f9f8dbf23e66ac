"""Every rule of the table in float32: what LiteRT gives is what ONNX Runtime gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from compiler.tflite.passes.spell import OPERATORS as SPELLED
from compiler.tflite.rules.table import TABLE
from compiler.tflite.write import write_tflite
from tests.compiler.models import Shape
from tests.compiler.tflite.running import Case, ints, node, rand, run_onnx, run_tflite

IMAGE = {"x": (1, 4, 7, 9)}
LINE = {"x": (1, 4, 11)}
ROWS = {"x": (2, 5)}


def _conv(
    weights: tuple[int, ...], output: tuple[int, ...], *, inputs: Mapping[str, Shape] = IMAGE, **attrs: Any
) -> Case:
    constants = {"w": rand(*weights, scale=0.3), "b": rand(weights[0])}
    return Case([node("Conv", ["x", "w", "b"], **attrs)], inputs, output, constants)


def _unary(op: str, **attrs: Any) -> Case:
    return Case([node(op, ["x"], **attrs)], IMAGE, IMAGE["x"])


def _pair(op: str, second: tuple[int, ...] = (1, 4, 7, 9)) -> Case:
    return Case([node(op, ["x", "z"])], {**IMAGE, "z": second}, IMAGE["x"])


def _compared(op: str) -> Case:
    """Comparisons give bools, which ``Where`` turns into numbers."""
    nodes = [node(op, ["x", "z"], "c"), node("Where", ["c", "x", "z"])]
    return Case(nodes, {**IMAGE, "z": IMAGE["x"]}, IMAGE["x"])


def _logical(op: str) -> Case:
    zero = {"zero": np.zeros((), np.float32)}
    both = ["a", "b"] if op != "Not" else ["a"]
    nodes = [node("Greater", ["x", "zero"], "a"), node("Greater", ["z", "zero"], "b"), node(op, both, "c")]
    return Case([*nodes, node("Where", ["c", "x", "z"])], {**IMAGE, "z": IMAGE["x"]}, IMAGE["x"], zero)


def _moved(op: str, output: tuple[int, ...], *known: object, **attrs: Any) -> Case:
    constants = {f"k{index}": np.asarray(one) for index, one in enumerate(known)}
    return Case([node(op, ["x", *constants], **attrs)], IMAGE, output, constants)


def _around_conv(*nodes: object, output: tuple[int, ...], **constants: object) -> Case:
    """Nodes behind a convolution, whose value lies with channels last."""
    held = {"w": rand(4, 4, 1, 1), **{name: np.asarray(one) for name, one in constants.items()}}
    return Case([node("Conv", ["x", "w"], "h"), *nodes], IMAGE, output, held)  # type: ignore[list-item]


CASES = {
    "Conv": _conv((6, 4, 3, 3), (1, 6, 7, 9), pads=[1, 1, 1, 1]),
    "Conv valid": _conv((6, 4, 3, 3), (1, 6, 5, 7)),
    "Conv strided, SAME": _conv((6, 4, 3, 3), (1, 6, 4, 5), strides=[2, 2], auto_pad="SAME_UPPER"),
    "Conv strided, SAME that crops": _conv((6, 4, 1, 1), (1, 6, 2, 3), strides=[4, 4], auto_pad="SAME_UPPER"),
    "Conv strided, pads of its own": _conv((6, 4, 3, 3), (1, 6, 4, 5), strides=[2, 2], pads=[1, 1, 1, 1]),
    "Conv with odd pads": _conv((6, 4, 3, 3), (1, 6, 7, 9), pads=[2, 0, 0, 2]),
    "Conv strided, what is left over": _conv((6, 4, 2, 2), (1, 6, 3, 4), strides=[2, 2]),
    "Conv dilated": _conv((6, 4, 3, 3), (1, 6, 3, 5), dilations=[2, 2]),
    "Conv in groups": _conv((6, 2, 3, 3), (1, 6, 5, 7), group=2),
    "Conv depthwise": _conv((4, 1, 3, 3), (1, 4, 7, 9), group=4, pads=[1, 1, 1, 1]),
    "Conv depthwise, two each": _conv((8, 1, 3, 3), (1, 8, 5, 7), group=4),
    "Conv of a line": _conv((6, 4, 3), (1, 6, 6), inputs=LINE, strides=[2], pads=[1, 1]),
    "Conv with Relu": Case(
        [node("Conv", ["x", "w"], "h"), node("Relu", ["h"])], IMAGE, (1, 6, 7, 9), {"w": rand(6, 4, 1, 1)}
    ),
    "Conv with Clip to 6": _around_conv(node("Clip", ["h", "l", "u"]), output=(1, 4, 7, 9), l=np.float32(0), u=np.float32(6)),
    "Conv with another Clip": _around_conv(
        node("Clip", ["h", "l", "u"]), output=(1, 4, 7, 9), l=np.float32(-0.5), u=np.float32(0.7)
    ),
    "ConvTranspose": Case(
        [node("ConvTranspose", ["x", "w", "b"], strides=[2, 2])], IMAGE, (1, 5, 15, 19), {"w": rand(4, 5, 3, 3), "b": rand(5)}
    ),
    "ConvTranspose with pads": Case(
        [node("ConvTranspose", ["x", "w"], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])],
        IMAGE, (1, 5, 14, 18), {"w": rand(4, 5, 3, 3)},
    ),
    "ConvTranspose as SAME": Case(
        [node("ConvTranspose", ["x", "w"], strides=[2, 2], pads=[1, 1, 1, 1])], IMAGE, (1, 5, 14, 18), {"w": rand(4, 5, 4, 4)}
    ),
    "Gemm": Case([node("Gemm", ["x", "w", "b"], transB=1)], ROWS, (2, 3), {"w": rand(3, 5), "b": rand(3)}),
    "Gemm with factors": Case(
        [node("Gemm", ["x", "w", "b"], alpha=0.5, beta=2.0)], ROWS, (2, 3), {"w": rand(5, 3), "b": rand(3)}
    ),
    "MatMul": Case([node("MatMul", ["x", "w"])], ROWS, (2, 3), {"w": rand(5, 3)}),
    "MatMul of more dimensions": Case([node("MatMul", ["x", "w"])], {"x": (2, 3, 5)}, (2, 3, 4), {"w": rand(5, 4)}),
    "MatMul of two computed": Case([node("MatMul", ["x", "z"])], {"x": (2, 3, 5), "z": (2, 5, 4)}, (2, 3, 4)),
    "MaxPool": Case([node("MaxPool", ["x"], kernel_shape=[2, 2], strides=[2, 2])], IMAGE, (1, 4, 3, 4)),
    "MaxPool with pads": Case(
        [node("MaxPool", ["x"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0])], IMAGE, (1, 4, 3, 4)
    ),
    "MaxPool with ceil_mode": Case(
        [node("MaxPool", ["x"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)], IMAGE, (1, 4, 4, 5)
    ),
    "MaxPool of a line": Case([node("MaxPool", ["x"], kernel_shape=[3])], LINE, (1, 4, 9)),
    "AveragePool": Case([node("AveragePool", ["x"], kernel_shape=[2, 2])], IMAGE, (1, 4, 6, 8)),
    "AveragePool, SAME": Case(
        [node("AveragePool", ["x"], kernel_shape=[3, 3], auto_pad="SAME_UPPER")], IMAGE, (1, 4, 7, 9)
    ),
    "AveragePool that counts pads": Case(
        [node("AveragePool", ["x"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)], IMAGE, (1, 4, 7, 9)
    ),
    "GlobalAveragePool": _moved("GlobalAveragePool", (1, 4, 1, 1)),
    "GlobalMaxPool": _moved("GlobalMaxPool", (1, 4, 1, 1)),
    "Add": _pair("Add"),
    "Add to channels": _pair("Add", (4, 1, 1)),
    "Add behind a convolution": _around_conv(node("Add", ["h", "x"]), output=(1, 4, 7, 9)),
    "Add of channels behind a convolution": _around_conv(node("Add", ["h", "k"]), output=(1, 4, 7, 9), k=rand(4, 1, 1)),
    "Sub": _pair("Sub"),
    "Mul": _pair("Mul"),
    "Mul by a gate": _around_conv(node("GlobalAveragePool", ["h"], "g"), node("Mul", ["h", "g"]), output=(1, 4, 7, 9)),
    "Div": _pair("Div"),
    "Max": _pair("Max"),
    "Min": _pair("Min"),
    "Sum": Case([node("Sum", ["x", "z", "x"])], {**IMAGE, "z": (1, 4, 1, 1)}, IMAGE["x"]),
    "Pow": Case([node("Pow", ["x", "k"])], IMAGE, IMAGE["x"], {"k": np.array(3.0, np.float32)}),
    "Pow of 2": Case([node("Pow", ["x", "k"])], IMAGE, IMAGE["x"], {"k": np.array(2.0, np.float32)}),
    "And": _logical("And"),
    "Or": _logical("Or"),
    "Not": _logical("Not"),
    "Equal": _compared("Equal"),
    "Greater": _compared("Greater"),
    "GreaterOrEqual": _compared("GreaterOrEqual"),
    "Less": _compared("Less"),
    "LessOrEqual": _compared("LessOrEqual"),
    "Where": _compared("Greater"),
    "Cast": Case([node("Cast", ["x"], "i", to=6), node("Cast", ["i"], to=1)], IMAGE, IMAGE["x"]),
    "Identity": _unary("Identity"),
    "LeakyRelu": _unary("LeakyRelu", alpha=0.2),
    "PRelu": Case([node("PRelu", ["x", "k"])], IMAGE, IMAGE["x"], {"k": rand(4, 1, 1)}),
    "Reciprocal": _unary("Reciprocal"),
    "Clip": Case([node("Clip", ["x", "l"])], IMAGE, IMAGE["x"], {"l": np.array(0.25, np.float32)}),
    "Softmax": Case([node("Softmax", ["x"], axis=-1)], ROWS, ROWS["x"]),
    "Softmax over channels": _unary("Softmax", axis=1),
    "Softmax over channels behind a convolution": _around_conv(node("Softmax", ["h"], axis=1), output=(1, 4, 7, 9)),
    "BatchNormalization": Case(
        [node("BatchNormalization", ["x", "s", "b", "m", "v"])], IMAGE, IMAGE["x"],
        {"s": rand(4), "b": rand(4, seed=2), "m": rand(4, seed=3), "v": np.abs(rand(4, seed=4)) + 0.5},
    ),
    "Reshape": _moved("Reshape", (1, 28, 9), ints(1, 28, 9)),
    "Reshape behind a convolution": _around_conv(node("Reshape", ["h", "k"]), output=(1, 252), k=ints(1, 252)),
    "Flatten": _moved("Flatten", (1, 252)),
    "Squeeze": _moved("Squeeze", (4, 7, 9), ints(0)),
    "Unsqueeze": _moved("Unsqueeze", (1, 1, 4, 7, 9), ints(0)),
    "Transpose": _moved("Transpose", (9, 1, 4, 7), perm=[3, 0, 1, 2]),
    "Transpose to channels last behind a convolution": _around_conv(
        node("Transpose", ["h"], perm=[0, 2, 3, 1]), output=(1, 7, 9, 4)
    ),
    "Concat": Case([node("Concat", ["x", "z"], axis=1)], {**IMAGE, "z": (1, 2, 7, 9)}, (1, 6, 7, 9)),
    "Concat behind a convolution": _around_conv(node("Concat", ["h", "x"], axis=1), output=(1, 8, 7, 9)),
    "Slice": _moved("Slice", (1, 2, 7, 4), ints(1, -5), ints(3, -1), ints(1, 3)),
    "Slice with steps": _moved("Slice", (1, 4, 4, 3), ints(0, 1), ints(99, 99), ints(2, 3), ints(2, 3)),
    "Slice behind a convolution": _around_conv(
        node("Slice", ["h", "s", "e", "a"]), output=(1, 2, 7, 9), s=ints(1), e=ints(3), a=ints(1)
    ),
    "Split": Case(
        [_split := node("Split", ["x"], "p", axis=1), node("Add", ["p", "q"])], IMAGE, (1, 2, 7, 9)
    ),
    "Pad": _moved("Pad", (1, 4, 10, 10), ints(0, 0, 1, 0, 0, 0, 2, 1)),
    "Pad with a value": _moved("Pad", (1, 4, 8, 9), ints(0, 0, 1, 0, 0, 0, 0, 0), np.float32(1.5)),
    "Pad by reflection": _moved("Pad", (1, 4, 9, 9), ints(0, 0, 1, 0, 0, 0, 1, 0), mode="reflect"),
    "Gather": _moved("Gather", (1, 4, 2, 9), ints(3, -1), axis=2),
    "Gather of one": _moved("Gather", (1, 7, 9), np.int64(2), axis=1),
    "Expand": Case([node("Expand", ["x", "k"])], {"x": (1, 4, 1)}, (2, 4, 3), {"k": ints(2, 4, 3)}),
    "Tile": _moved("Tile", (1, 8, 7, 9), ints(1, 2, 1, 1)),
    "DepthToSpace": Case([node("DepthToSpace", ["x"], blocksize=2)], {"x": (1, 8, 3, 5)}, (1, 2, 6, 10)),
    "SpaceToDepth": Case([node("SpaceToDepth", ["x"], blocksize=2)], {"x": (1, 2, 6, 10)}, (1, 8, 3, 5)),
    "Resize": Case(
        [node("Resize", ["x", "", "k"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
        IMAGE, (1, 4, 14, 18), {"k": np.array([1, 1, 2, 2], np.float32)},
    ),
    "Resize, nearest of half pixels": Case(
        [node("Resize", ["x", "", "k"], mode="nearest")], IMAGE, (1, 4, 21, 27), {"k": np.array([1, 1, 3, 3], np.float32)}
    ),
    "Resize, linear": Case(
        [node("Resize", ["x", "", "k"], mode="linear")], IMAGE, (1, 4, 14, 18), {"k": np.array([1, 1, 2, 2], np.float32)}
    ),
    "Resize, linear with aligned corners": Case(
        [node("Resize", ["x", "", "", "k"], mode="linear", coordinate_transformation_mode="align_corners")],
        IMAGE, (1, 4, 13, 5), {"k": ints(1, 4, 13, 5)},
    ),
    "ReduceMean": Case([node("ReduceMean", ["x"], axes=[2, 3])], IMAGE, (1, 4, 1, 1)),
    "ReduceMean without the dimensions": Case([node("ReduceMean", ["x"], axes=[1], keepdims=0)], IMAGE, (1, 7, 9)),
    "ReduceMean behind a convolution": _around_conv(node("ReduceMean", ["h"], axes=[2, 3], keepdims=0), output=(1, 4)),
    "ReduceMean of channels behind a convolution": _around_conv(
        node("ReduceMean", ["h"], axes=[2], keepdims=0), output=(1, 4, 9)
    ),
    "ReduceMax": Case([node("ReduceMax", ["x"], axes=[3])], IMAGE, (1, 4, 7, 1)),
    "ReduceMin": Case([node("ReduceMin", ["x"], axes=[3])], IMAGE, (1, 4, 7, 1)),
    "ReduceProd": Case([node("ReduceProd", ["x"], axes=[1])], IMAGE, (1, 1, 7, 9)),
    "ReduceSum": Case([node("ReduceSum", ["x", "k"])], IMAGE, (1, 4, 1, 9), {"k": ints(2)}),
    "ArgMax": Case([node("ArgMax", ["x"], "i", axis=1, keepdims=0), node("Cast", ["i"], to=1)], IMAGE, (1, 7, 9)),
    "ArgMin": Case([node("ArgMin", ["x"], "i", axis=1), node("Cast", ["i"], to=1)], IMAGE, (1, 1, 7, 9)),
    **{op: _unary(op) for op in ("Abs", "Ceil", "Cos", "Exp", "Floor", "HardSwish", "Neg", "Relu", "Round", "Sigmoid", "Sin", "Tanh")},
}  # fmt: skip
_split.output.append("q")

POSITIVE = {op: _unary(op) for op in ("Log", "Sqrt")}


@pytest.mark.parametrize("name", [*CASES, *POSITIVE])
def test_float(name: str) -> None:
    case = CASES.get(name) or POSITIVE[name]
    graph, feed = case.graph(), case.feed(low=0.1 if name in POSITIVE else -2.0)
    wanted = run_onnx(graph, feed)
    found = run_tflite(write_tflite(graph), feed)
    assert found["y"].shape == wanted["y"].shape
    np.testing.assert_allclose(found["y"], wanted["y"], rtol=2e-5, atol=2e-5)


def test_every_rule_has_a_case() -> None:
    used = {one.op_type for case in (*CASES.values(), *POSITIVE.values()) for one in case.nodes}
    assert {*TABLE} - used == set()
    assert {*SPELLED} - used == {"LSTM"}  # in test_passes.py
