"""Convolutions and pooling in their form for any shape: against ONNX Runtime. Weights are data, so that no kernel for
constant weights takes the node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto  # noqa: TID251

from edge_bundle.errors import CompileError
from tests.wasm.ops.one_node import Case, floats, integers, ints, table

INT64, INT8, UINT8 = TensorProto.INT64, TensorProto.INT8, TensorProto.UINT8


def conv(name: str, x: Sequence[int], w: Sequence[int], *, bias: bool = True, op: str = "Conv", **attrs: Any) -> Case:
    channels = w[0] if op == "Conv" else w[1] * attrs.get("group", 1)
    inputs = [floats(*x), floats(*w, seed=1), *([floats(channels, seed=2)] if bias else [])]
    return Case(name=name, op=op, inputs=inputs, attrs=attrs, rtol=1e-4, atol=1e-5)


@table(
    conv("1 x 1", (1, 3, 5, 5), (4, 3, 1, 1)),
    conv("one pixel", (1, 3, 1, 1), (4, 3, 1, 1), bias=False),
    conv("one pixel, kernel larger than the input", (1, 2, 1, 1), (3, 2, 3, 3), pads=[1, 1, 1, 1]),
    conv("kernel larger than the input", (1, 2, 2, 3), (3, 2, 5, 5), pads=[2, 2, 2, 2]),
    conv("pads on one side", (2, 3, 9, 11), (5, 3, 3, 3), pads=[0, 2, 1, 0]),
    conv("stride", (1, 3, 11, 13), (4, 3, 3, 3), strides=[2, 3], pads=[1, 1, 1, 1]),
    conv("dilation", (1, 2, 12, 12), (4, 2, 3, 3), dilations=[2, 3]),
    conv("groups", (2, 6, 7, 9), (4, 3, 3, 3), group=2, pads=[1, 1, 1, 1]),
    conv("depthwise", (1, 5, 8, 8), (5, 1, 3, 3), group=5, pads=[1, 1, 1, 1]),
    conv("depthwise with a multiplier", (1, 3, 6, 6), (6, 1, 3, 3), group=3),
    conv("same, upper", (1, 2, 7, 8), (3, 2, 4, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
    conv("same, lower", (1, 2, 7, 8), (3, 2, 4, 3), auto_pad="SAME_LOWER", strides=[2, 2]),
    conv("same, upper, crops", (1, 2, 8, 9), (3, 2, 1, 2), auto_pad="SAME_UPPER", strides=[4, 5]),
    conv("same, lower, crops", (1, 2, 8, 9), (3, 2, 1, 2), auto_pad="SAME_LOWER", strides=[4, 5]),
    conv("same, crops and pads", (1, 2, 8, 9), (3, 2, 1, 4), auto_pad="SAME_UPPER", strides=[4, 2]),
    conv("same, 1-D, crops", (1, 2, 11), (3, 2, 1), auto_pad="SAME_UPPER", strides=[5]),
    conv("valid", (1, 2, 7, 8), (3, 2, 4, 3), auto_pad="VALID"),
    conv("1-D", (2, 3, 17), (4, 3, 5), pads=[2, 1], strides=[2]),
    conv("3-D", (1, 2, 5, 6, 7), (3, 2, 3, 2, 3), pads=[1, 0, 1, 1, 1, 1], strides=[1, 2, 1]),
    conv("long rows", (1, 2, 3, 70), (9, 2, 3, 5), pads=[1, 2, 1, 2]),
)
def test_conv(case: Case) -> None:
    case.check()


@table(
    conv("plain", (1, 3, 4, 5), (3, 2, 3, 3), op="ConvTranspose"),
    conv("stride", (1, 3, 4, 5), (3, 2, 3, 3), op="ConvTranspose", strides=[2, 3]),
    conv("kernel smaller than the stride", (1, 2, 4, 4), (2, 3, 1, 2), op="ConvTranspose", strides=[2, 3]),
    conv("pads", (2, 3, 5, 6), (3, 2, 4, 3), op="ConvTranspose", strides=[2, 2], pads=[1, 0, 1, 2]),
    conv("output padding", (1, 2, 4, 4), (2, 3, 3, 3), op="ConvTranspose", strides=[3, 2], output_padding=[2, 1]),
    conv("dilation", (1, 2, 5, 4), (2, 3, 3, 2), op="ConvTranspose", dilations=[2, 3]),
    conv("dilation and stride", (1, 2, 5, 4), (2, 3, 3, 3), op="ConvTranspose", dilations=[2, 3], strides=[4, 2]),
    conv("groups", (1, 4, 4, 5), (4, 3, 3, 3), op="ConvTranspose", group=2, strides=[2, 1]),
    conv("same", (1, 2, 5, 5), (2, 3, 3, 3), op="ConvTranspose", strides=[2, 2], auto_pad="SAME_UPPER"),
    conv("output shape", (1, 2, 5, 5), (2, 3, 3, 3), op="ConvTranspose", strides=[3, 2], output_shape=[16, 9]),
    conv("1-D", (1, 2, 9), (2, 3, 4), op="ConvTranspose", strides=[2], pads=[1, 1], bias=False),
    conv("3-D", (1, 2, 3, 4, 3), (2, 2, 2, 3, 3), op="ConvTranspose", strides=[2, 1, 2]),
    conv("one pixel", (1, 3, 1, 1), (3, 2, 3, 3), op="ConvTranspose", strides=[2, 2]),
)
def test_conv_transpose(case: Case) -> None:
    case.check()


def pool(name: str, op: str, x: Sequence[int], *, opset: int = 19, **attrs: Any) -> Case:
    return Case(name=name, op=op, inputs=[floats(*x)], attrs=attrs, opset=opset)


@table(
    pool("max", "MaxPool", (1, 3, 9, 8), kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    pool("max, ceiling", "MaxPool", (1, 2, 6, 7), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    pool("max, dilation", "MaxPool", (1, 2, 9, 9), kernel_shape=[3, 3], dilations=[2, 3]),
    pool("max, same", "MaxPool", (1, 2, 7, 8), kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    pool("max, 1-D", "MaxPool", (2, 3, 11), kernel_shape=[4], strides=[3]),
    pool("max, 3-D", "MaxPool", (1, 2, 5, 5, 6), kernel_shape=[2, 3, 2], pads=[1, 1, 0, 0, 1, 1]),
    pool("max, window of one", "MaxPool", (1, 3, 4, 4), kernel_shape=[1, 1]),
    pool("average", "AveragePool", (1, 3, 9, 8), kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    pool("average, pads count", "AveragePool", (1, 3, 9, 8), kernel_shape=[3, 2], pads=[2, 0, 1, 1], count_include_pad=1),
    pool("average, ceiling", "AveragePool", (1, 2, 6, 7), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    pool("average, dilation", "AveragePool", (1, 2, 9, 9), kernel_shape=[2, 3], dilations=[3, 2]),
    pool("average, 1-D", "AveragePool", (2, 3, 11), kernel_shape=[4], strides=[3], pads=[1, 2]),
    pool("power 1", "LpPool", (1, 2, 7, 7), kernel_shape=[3, 3], p=1),
    pool("power 2", "LpPool", (1, 2, 7, 7), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    pool("power 3", "LpPool", (1, 2, 7, 7), kernel_shape=[2, 3], p=3),
    pool("whole average", "GlobalAveragePool", (2, 3, 5, 7)),
    pool("whole maximum", "GlobalMaxPool", (2, 3, 5, 7)),
    pool("whole average, 1-D", "GlobalAveragePool", (2, 3, 9)),
    Case(
        name="max of bytes", op="MaxPool", inputs=[integers(0, 256, (1, 2, 7, 9), np.uint8)],
        attrs={"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, outputs=[UINT8],
    ),
    Case(
        name="max of signed bytes", op="MaxPool", inputs=[integers(-128, 0, (1, 2, 7, 9), np.int8)],
        attrs={"kernel_shape": [2, 3], "pads": [1, 1, 0, 1]}, outputs=[INT8],
    ),
)  # fmt: skip
def test_pool(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(
    "attrs",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "dilations": [1, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    ],
    ids=["halves", "pads", "ceiling"],
)
def test_max_pool_gives_indices(attrs: dict[str, Any], order: int) -> None:
    Case(
        name="", op="MaxPool", inputs=[floats(2, 3, 6, 8)], attrs={**attrs, "storage_order": order}, outputs=[1, INT64]
    ).check()


def test_what_max_pool_took_away_is_put_back() -> None:
    x = floats(1, 2, 6, 6)
    halves = {"kernel_shape": [2, 2], "strides": [2, 2]}
    values, places = Case(name="", op="MaxPool", inputs=[x], attrs=halves, outputs=[1, INT64]).run()
    Case(name="", op="MaxUnpool", inputs=[values, places], attrs=halves).check()
    (larger,) = Case(name="", op="MaxUnpool", inputs=[values, places, ints(1, 2, 7, 8)], attrs=halves).run()
    assert np.sort(larger[larger != 0]).tolist() == np.sort(values[values != 0]).tolist()


def test_infinity_and_nan_reach_the_maximum() -> None:
    x = np.full((1, 1, 4, 4), -np.inf, np.float32)
    x[0, 0, 0, 0], x[0, 0, 3, 3] = np.nan, np.inf
    case = Case(name="", op="MaxPool", inputs=[x], attrs={"kernel_shape": [2, 2], "strides": [2, 2]})
    (y,) = case.run()
    np.testing.assert_array_equal(y, [[[[np.nan, -np.inf], [-np.inf, np.inf]]]])


@table(
    conv("no rows", (1, 3, 0, 5), (4, 3, 3, 3), pads=[2, 2, 2, 2]),
    pool("no columns", "MaxPool", (1, 3, 5, 0), kernel_shape=[2, 2], pads=[1, 1, 1, 1]),
    conv("no rows to spread", (1, 3, 0, 5), (3, 4, 3, 3), op="ConvTranspose", output_shape=[3, 7]),
)
def test_windows_over_nothing_are_refused(case: Case) -> None:
    with pytest.raises(CompileError):
        case.compile()
