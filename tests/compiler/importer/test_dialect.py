"""Old forms of operators: the newest form comes out, and means the same to ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto  # noqa: TID251

from tests.compiler.importer.reading import Arrays, integers, node, ops, proto, read
from tests.wasm.against_ort import check

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7 - 1
CASES: dict[str, tuple[int, Sequence[NodeProto], list[str]]] = {
    "reduce axes": (13, [node("ReduceMax", "x", "y", axes=[1], keepdims=0)], ["ReduceMax"]),
    "reduce all": (13, [node("ReduceMean", "x", "y")], ["ReduceMean"]),
    "reduce sum axes": (11, [node("ReduceSum", "x", "y", axes=[-1])], ["ReduceSum"]),
    "squeeze and unsqueeze": (
        11, [node("Unsqueeze", "x", "a", axes=[0, 2]), node("Squeeze", "a", "b", axes=[2]), node("Neg", "b", "y")],
        ["Unsqueeze", "Squeeze", "Neg"],
    ),
    "split": (11, [node("Split", "x", "a b", axis=2, split=[1, 3]), node("Concat", "b a", "y", axis=2)],
              ["Split", "Concat"]),
    "slice": (9, [node("Slice", "x", "y", starts=[1, -3], ends=[3, 99], axes=[1, 2])], ["Slice"]),
    "slice of the first axes": (9, [node("Slice", "x", "y", starts=[0, 1], ends=[1, 2])], ["Slice"]),
    "clip": (9, [node("Clip", "x", "y", min=-0.5, max=0.75)], ["Clip"]),
    "clip on one side": (9, [node("Clip", "x", "y", max=0.75)], ["Clip"]),
    "pad": (9, [node("Pad", "x", "y", pads=[0, 1, 0, 0, 0, 2], value=3.0)], ["Pad"]),
    "topk": (9, [node("TopK", "x", "y i", k=2, axis=2)], ["TopK"]),
    "softmax of rows": (11, [node("Softmax", "x", "y", axis=1)], ["Reshape", "Softmax", "Reshape"]),
    "log softmax by default": (11, [node("LogSoftmax", "x", "y")], ["Reshape", "LogSoftmax", "Reshape"]),
    "hardmax of the last axis": (11, [node("Hardmax", "x", "y", axis=2)], ["Reshape", "Hardmax", "Reshape"]),
    "upsample": (7, [node("Unsqueeze", "x", "a", axes=[0]),
                     node("Upsample", "a", "y", scales=[1.0, 1.0, 2.0, 3.0], mode="nearest")],
                 ["Unsqueeze", "Resize"]),
    "resize of version 10": (10, [node("Unsqueeze", "x", "a", axes=[0]), node("Resize", "a scales", "y", mode="linear")],
                             ["Unsqueeze", "Resize"]),
    "dropout with a ratio": (10, [node("Dropout", "x", "a", ratio=0.3), node("Neg", "a", "y")], ["Neg"]),
}  # fmt: skip
SCALES: Arrays = {"scales": np.array([1, 1, 2, 2], np.float32)}


@pytest.mark.parametrize("name", CASES)
def test_means_the_same(name: str) -> None:
    opset, nodes, expected = CASES[name]
    used = any("scales" in one.input for one in nodes)
    made = proto(nodes, {"x": X.shape}, "y", SCALES if used else None, opset=opset)
    made.ir_version = 6
    found = read(made)
    assert ops(found) == expected
    assert not {"axes", "starts", "pads", "split", "k", "min", "scales"} & {
        key for one in found.nodes for key in one.attrs
    }
    check(made, {"x": X}, rtol=1e-5)


def test_scatter_is_scatter_elements() -> None:
    made = proto([node("Scatter", "x i u", "y", axis=1)], {"x": [2, 3]}, "y", opset=10,
                 constants={"i": integers(1, 0).reshape(2, 1), "u": np.ones((2, 1), np.float32)})  # fmt: skip
    assert ops(read(made)) == ["ScatterElements"]


FORMS: dict[str, tuple[int, NodeProto, dict[str, Any]]] = {
    "grid sample": (16, node("GridSample", "x g", "y", mode="bilinear"), {"mode": "linear"}),
    "roi align": (10, node("RoiAlign", "x r b", "y", output_height=2, output_width=2),
                  {"coordinate_transformation_mode": "output_half_pixel"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_attributes_have_their_new_values(name: str) -> None:
    opset, one, wanted = FORMS[name]
    held: Arrays = {"g": np.zeros((1, 2, 2, 2), np.float32), "r": np.zeros((3, 4), np.float32), "b": integers(0, 0, 0)}
    used = {key: array for key, array in held.items() if key in one.input}
    made = proto([one], {"x": [1, 1, 4, 4]}, "y", used, opset=opset)
    (found,) = read(made).nodes
    assert wanted.items() <= dict(found.attrs).items()


def test_group_normalization_of_version_18_has_scales_for_groups() -> None:
    scale, bias = np.array([2.0, 3.0], np.float32), np.array([0.0, 1.0], np.float32)
    made = proto([node("GroupNormalization", "x s b", "y", num_groups=2)], {"x": [1, 4, 2]}, "y",
                 {"s": scale, "b": bias}, opset=18)  # fmt: skip
    found = read(made)
    (one,) = found.nodes
    assert found.constants[one.inputs[1]].tolist() == [2, 2, 3, 3]
    assert found.constants[one.inputs[2]].tolist() == [0, 0, 1, 1]


def test_a_model_before_version_7_is_converted() -> None:
    made = proto([node("Add", "x k", "y", broadcast=1)], {"x": [2, 3, 4], "k": [4]}, "y", opset=6)
    made.ir_version = 3
    found = read(made)
    assert found.types["y"].shape == (2, 3, 4)
    assert found.opset >= 7
    assert not found.nodes[0].attrs
