"""Operators on stored integers: which TFLite operators they become, and how far LiteRT is from exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.litert.steps import count_steps
from compiler.graph import Graph
from compiler.tflite.model import Quant
from compiler.tflite.write import make_model, write_tflite
from tests.compiler.models import Shape
from tests.compiler.tflite.integers import Qdq, chain
from tests.compiler.tflite.running import operators, rand, run_onnx, run_tflite

Build = Callable[[Qdq, str], tuple[str, Shape]]

IMAGE = (1, 4, 6, 6)
SCALE = 0.03


def one(dtype: str, build: Build, *, scale: float = 0.05, zero: int = -10) -> Graph:
    """One operator between quantized values; ``y`` is dequantized."""
    made = Qdq(dtype)
    symmetric = dtype == "int16"
    share = 1 / 256 if symmetric else 1.0
    x = made.quantized("x", SCALE * share, 0 if symmetric else 5)
    value, shape = build(made, x)
    y = made.quantized(value, scale * share, 0 if symmetric else zero)
    made.add("Identity", [y], "y")
    return made.graph({"x": IMAGE}, {"y": shape})


def _unary(op: str, shape: Shape = IMAGE, **attrs: object) -> Build:
    return lambda made, x: (made.add(op, [x], "h", **attrs), shape)


def _with(op: str, shape: Shape, *known: object, **attrs: object) -> Build:
    def build(made: Qdq, x: str) -> tuple[str, Shape]:
        names = [f"k{index}" for index in range(len(known))]
        made.constants.update((name, np.asarray(array)) for name, array in zip(names, known, strict=True))
        return made.add(op, [x, *names], "h", **attrs), shape

    return build


def _pair(op: str, shape: Shape = IMAGE) -> Build:
    def build(made: Qdq, x: str) -> tuple[str, Shape]:
        symmetric = made.dtype == "int16"
        made.constants["two"] = np.array(0.5, np.float32)
        other = made.quantized(made.add("Mul", ["x", "two"], "z"), SCALE / (512 if symmetric else 2), 0)
        return made.add(op, [x, other], "h"), shape

    return build


def _conv(weights: tuple[int, ...], axis: int, shape: Shape, op: str = "Conv", **attrs: object) -> Build:
    def build(made: Qdq, x: str) -> tuple[str, Shape]:
        held, scale = made.weights("w", rand(*weights, scale=0.3), axis)
        share = 1 / 256 if made.dtype == "int16" else 1.0
        bias = made.bias("b", rand(weights[axis]), np.float32(SCALE * share) * scale)
        return made.add(op, [x, held, bias], "h", **attrs), shape

    return build


def _clipped(made: Qdq, x: str) -> tuple[str, Shape]:
    value, shape = _conv((4, 4, 1, 1), 0, IMAGE)(made, x)
    made.constants["l"], made.constants["u"] = np.array(-0.4, np.float32), np.array(0.9, np.float32)
    return made.add("Clip", [value, "l", "u"], "c"), shape


CASES: dict[str, tuple[Build, list[str]]] = {
    "Conv": (_conv((6, 4, 3, 3), 0, (1, 6, 6, 6), pads=[1, 1, 1, 1]), ["CONV_2D"]),
    "Conv with pads of its own": (_conv((6, 4, 3, 3), 0, (1, 6, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2]), ["PAD", "CONV_2D"]),
    "Conv depthwise": (_conv((8, 1, 3, 3), 0, (1, 8, 4, 4), group=4), ["DEPTHWISE_CONV_2D"]),
    "Conv clipped": (_clipped, ["CONV_2D", "MAXIMUM", "MINIMUM"]),
    "ConvTranspose": (_conv((4, 5, 2, 2), 1, (1, 5, 12, 12), "ConvTranspose", strides=[2, 2]), ["TRANSPOSE_CONV"]),
    "Add": (_pair("Add"), ["ADD"]),
    "Sub": (_pair("Sub"), ["SUB"]),
    "Mul": (_pair("Mul"), ["MUL"]),
    "MatMul": (_pair("MatMul"), ["BATCH_MATMUL"]),
    "Concat": (lambda made, x: (made.add("Concat", [x, x], "h", axis=1), (1, 8, 6, 6)), ["QUANTIZE", "CONCATENATION"]),
    "Relu": (_unary("Relu"), ["RELU"]),
    "LeakyRelu": (_unary("LeakyRelu", alpha=0.2), ["LEAKY_RELU"]),
    "Sigmoid": (_unary("Sigmoid"), ["LOGISTIC", "QUANTIZE"]),
    "Tanh": (_unary("Tanh"), ["TANH", "QUANTIZE"]),
    "Softmax": (_unary("Softmax", axis=-1), ["SOFTMAX", "QUANTIZE"]),
    "MaxPool": (_unary("MaxPool", (1, 4, 3, 3), kernel_shape=[2, 2], strides=[2, 2]), ["MAX_POOL_2D", "QUANTIZE"]),
    "AveragePool": (_unary("AveragePool", (1, 4, 3, 3), kernel_shape=[2, 2], strides=[2, 2]), ["AVERAGE_POOL_2D", "QUANTIZE"]),
    "GlobalAveragePool": (_unary("GlobalAveragePool", (1, 4, 1, 1)), ["MEAN"]),
    "Reshape": (_with("Reshape", (1, 144), np.array([1, 144])), ["RESHAPE", "QUANTIZE"]),
    "Transpose": (_unary("Transpose", (6, 1, 4, 6), perm=[3, 0, 1, 2]), ["QUANTIZE"]),
    "Slice": (_with("Slice", (1, 2, 6, 6), np.array([1]), np.array([3]), np.array([1])), ["SLICE", "QUANTIZE"]),
    "Pad": (_with("Pad", (1, 4, 8, 8), np.array([0, 0, 1, 1, 0, 0, 1, 1])), ["PAD", "QUANTIZE"]),
    "Gather": (_with("Gather", (1, 4, 2, 6), np.array([3, -1]), axis=2), ["GATHER", "QUANTIZE"]),
    "Resize": (
        _with(
            "Resize", (1, 4, 12, 12), np.zeros(0, np.float32), np.array([1, 1, 2, 2], np.float32),
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        ),
        ["RESIZE_NEAREST_NEIGHBOR", "QUANTIZE"],
    ),
}  # fmt: skip

APART = {"QUANTIZE", "DEQUANTIZE", "TRANSPOSE", "RESHAPE"}

STEPS = {"Sigmoid": 2, "Tanh": 2, "Softmax": 2, "AveragePool": 2}
"""Kernels that round twice, or look values up, where the graph computes in float32."""


def _inner(graph: Graph) -> list[str]:
    """The operators, without what stands at the edges."""
    found = operators(make_model(graph))
    first, last = found.index("QUANTIZE") + 1, len(found) - found[::-1].index("DEQUANTIZE") - 1
    return [op for op in found[first:last] if op != "TRANSPOSE"]


@pytest.mark.parametrize("name", CASES)
def test_operators(name: str) -> None:
    build, wanted = CASES[name]
    found = _inner(one("int8", build))
    assert [op for op in found if op in wanted] == wanted or {*wanted} <= {*found}
    assert "DEQUANTIZE" not in found


@pytest.mark.parametrize("kernels", ["xnnpack", "reference"])
@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8"])
@pytest.mark.parametrize("name", CASES)
def test_results(name: str, dtype: str, kernels: str) -> None:
    """In steps of the output's scale, against ONNX Runtime's float operators between the same rounding."""
    graph = one(dtype, CASES[name][0])
    feed = {"x": np.random.default_rng(3).uniform(-3, 3, IMAGE).astype(np.float32)}
    wanted = run_onnx(graph, feed)["y"]
    found = run_tflite(write_tflite(graph), feed, kernels=kernels)["y"]
    step = 0.05 / (256 if dtype == "int16" else 1)
    limit = STEPS.get(name, 1) * (4 if dtype == "int16" else 1)
    assert np.abs(np.rint((found - wanted) / step)).max() <= limit


def test_xnnpack_is_exact() -> None:
    """Its int8 kernels scale in float32 and round once, as the graph says; but for ADD, which is fixed-point."""
    feed = {"x": np.random.default_rng(4).uniform(-3, 3, (1, 3, 8, 8)).astype(np.float32)}
    for op, steps in count_steps(make_model(chain("int8")), [feed], "xnnpack").items():
        assert steps.wrong == 0 or (op == "ADD" and steps.most == 1), op


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_reference_kernels_are_within_one_step(dtype: str) -> None:
    feed = {"x": np.random.default_rng(4).uniform(-3, 3, (1, 3, 8, 8)).astype(np.float32)}
    judged = count_steps(make_model(chain(dtype)), [feed], "reference")
    assert {"ADD", "CONV_2D", "FULLY_CONNECTED", "MEAN"} <= {*judged}
    assert max(steps.most for steps in judged.values()) <= 1


def test_what_is_not_quantized_stays_float() -> None:
    """A value that two read is computed in float between DEQUANTIZE and QUANTIZE."""
    made = Qdq()
    x = made.quantized("x", SCALE)
    w, _ = made.weights("w", rand(4, 4, 1, 1), 0)
    made.add("Conv", [x, w], "h")
    h = made.quantized("h", 0.05)
    made.add("Add", [h, "h"], "y")
    graph = made.graph({"x": IMAGE}, {"y": IMAGE})
    found = operators(make_model(graph))
    assert found.index("CONV_2D") > found.index("DEQUANTIZE")
    feed = {"x": np.random.default_rng(3).uniform(-3, 3, IMAGE).astype(np.float32)}
    np.testing.assert_allclose(run_tflite(write_tflite(graph), feed)["y"], run_onnx(graph, feed)["y"], atol=0.051)


def test_fixed_scales() -> None:
    made = make_model(one("int8", CASES["Sigmoid"][0]))
    logistic = next(op for op in made.operations if op.op == "LOGISTIC")
    quant = made.tensors[logistic.outputs[0]].quant
    assert isinstance(quant, Quant)
    assert (quant.scale, quant.zero_point) == (1 / 256, -128)
