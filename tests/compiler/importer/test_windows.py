"""Windows over space where ONNX's inference, its text and ONNX Runtime do not agree: the text holds, or a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto  # noqa: TID251

from compiler.wasm.compile import compile_module
from edge_bundle.errors import CompileError
from tests.wasm.ops.one_node import Case, floats, table

FLOATS = [TensorProto.FLOAT]


def pool(name: str, op: str, shape: tuple[int, ...], *, opset: int = 17, **attrs: Any) -> Case:
    return Case(name=name, op=op, inputs=[floats(*shape)], attrs=attrs, outputs=FLOATS, opset=opset)


@table(
    pool("no window starts behind the input, 13", "MaxPool", (1, 2, 3, 1), opset=13, kernel_shape=[2, 1],
         strides=[3, 2], ceil_mode=1),
    pool("no window starts behind the input, 21", "MaxPool", (1, 2, 3, 1), opset=21, kernel_shape=[2, 1],
         strides=[3, 2], ceil_mode=1),
    pool("no window starts in the pads", "AveragePool", (1, 1, 5, 2), kernel_shape=[2, 3], pads=[1, 1, 0, 2],
         strides=[3, 2], ceil_mode=1, count_include_pad=1),
    pool("LpPool", "LpPool", (1, 3, 3, 4), opset=18, kernel_shape=[2, 1], strides=[3, 2], ceil_mode=1),
)  # fmt: skip
def test_ceil_mode(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(
    ("strides", "dilations", "spare"),
    [([2, 2], [1, 1], [1, 0]), ([3, 3], [2, 2], [2, 1]), ([3, 2], [1, 1], [0, 1]), ([4, 1], [1, 1], [1, 0])],
    ids=["one-more", "dilated", "second-axis", "windows-that-do-not-meet"],
)
def test_transposed_same_is_input_times_stride(
    mode: str, strides: list[int], dilations: list[int], spare: list[int]
) -> None:
    inputs = [floats(1, 3, 4, 5), floats(3, 2, 2, 3, seed=1), floats(2, seed=2)]
    attrs = {"strides": strides, "dilations": dilations, "output_padding": spare, "auto_pad": mode}
    Case(name="same", op="ConvTranspose", inputs=inputs, attrs=attrs, rtol=1e-4, atol=1e-5).check()


WIDE = {"kernel_shape": [3, 1], "strides": [3, 2]}


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("AveragePool", WIDE | {"pads": [1, 0, 0, 0], "count_include_pad": 1}),
        ("AveragePool", WIDE | {"auto_pad": "VALID"}),
        ("MaxPool", WIDE | {"ceil_mode": 1}),
        ("MaxPool", WIDE | {"dilations": [2, 1], "pads": [1, 0, 1, 0]}),
        ("LpPool", WIDE),
        ("Conv", WIDE),
    ],
)
def test_windows_larger_than_the_padded_input(op: str, attrs: dict[str, Any]) -> None:
    inputs = [floats(1, 2, 1, 4), *([floats(3, 2, 3, 1)] if op == "Conv" else [])]
    case = Case(name="wide", op=op, inputs=inputs, attrs=attrs, opset=18)
    with pytest.raises(CompileError, match="expected windows of 1 to"):
        compile_module(case.model().SerializeToString())


def test_a_padded_input_may_be_smaller_than_the_kernel() -> None:
    x = floats(1, 2, 1, 1)
    case = Case(name="halo", op="MaxPool", inputs=[x], attrs={"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})
    np.testing.assert_array_equal(case.run()[0], x)
