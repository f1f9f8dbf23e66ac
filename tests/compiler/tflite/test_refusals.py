"""What cannot be written is refused by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto  # noqa: TID251 - made here, read by the package

from compiler.tflite import schema
from compiler.tflite.write import write_tflite
from edge_bundle.errors import RuntimeMissingError, UnsupportedOperatorError
from tests.compiler.models import Shape
from tests.compiler.tflite.integers import Qdq
from tests.compiler.tflite.running import Case, ints, node, rand

VOLUME = (1, 2, 4, 4, 4)
IMAGE = (1, 4, 6, 6)


def _case(made: NodeProto, output: Shape, shape: Shape = IMAGE, **constants: Any) -> Case:
    return Case([made], {"x": shape}, output, constants)


CASES: Mapping[str, tuple[Case, str]] = {
    "no rule": (_case(node("Det", ["x"]), (1, 4)), "no rule"),
    "three dimensions": (_case(node("Conv", ["x", "w"]), (1, 3, 3, 3, 3), VOLUME, w=rand(3, 2, 2, 2, 2)), "dimensions"),
    "dilated pool": (_case(node("MaxPool", ["x"], kernel_shape=[2, 2], dilations=[2, 2]), (1, 4, 4, 4)), "dilations"),
    "pads that are not counted": (
        _case(node("AveragePool", ["x"], kernel_shape=[3, 3], pads=[1, 1, 0, 0]), (1, 4, 5, 5)), "not counted"
    ),
    "groups": (
        _case(node("ConvTranspose", ["x", "w"], group=2), (1, 4, 7, 7), w=rand(4, 2, 2, 2)), "groups"
    ),
    "pad by edges": (_case(node("Pad", ["x", "k"], mode="edge"), (1, 4, 7, 6), k=ints(0, 0, 1, 0, 0, 0, 0, 0)), "mode"),
    "backwards": (
        _case(node("Slice", ["x", "s", "e", "a", "t"]), IMAGE, s=ints(-1), e=ints(-99), a=ints(2), t=ints(-1)), "steps"
    ),
    "nearest by other rules": (
        _case(
            node("Resize", ["x", "", "k"], mode="nearest", nearest_mode="ceil", coordinate_transformation_mode="asymmetric"),
            (1, 4, 12, 12), k=np.array([1, 1, 2, 2], np.float32),
        ),
        "nearest_mode",
    ),
    "cubic": (
        _case(node("Resize", ["x", "", "k"], mode="cubic"), (1, 4, 12, 12), k=np.array([1, 1, 2, 2], np.float32)), "mode"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    case, reason = CASES[name]
    with pytest.raises(UnsupportedOperatorError, match=reason) as caught:
        write_tflite(case.graph())
    assert caught.value.operator == case.nodes[-1].op_type
    assert caught.value.node == "y"
    assert "docs/litert.md" in caught.value.advice


def test_zero_points_of_16_bits_are_refused() -> None:
    made = Qdq("int16")
    made.add("Identity", [made.quantized("x", 0.1, zero=3)], "y")
    with pytest.raises(UnsupportedOperatorError, match="int16 with zero point 0") as caught:
        write_tflite(made.graph({"x": IMAGE}, {"y": IMAGE}))
    assert caught.value.operator == "QuantizeLinear"


def test_computed_weights_are_refused() -> None:
    case = Case([node("Conv", ["x", "w"])], {"x": IMAGE, "w": (2, 4, 1, 1)}, (1, 2, 6, 6))
    with pytest.raises(UnsupportedOperatorError, match="known weights"):
        write_tflite(case.graph())


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_name: str) -> Any:
        raise ModuleNotFoundError("gone", name="ai_edge_litert")

    schema.schema.cache_clear()
    monkeypatch.setattr(importlib, "import_module", gone)
    with pytest.raises(RuntimeMissingError, match="litert"):
        write_tflite(_case(node("Relu", ["x"]), IMAGE).graph())
    monkeypatch.undo()
    schema.schema.cache_clear()
