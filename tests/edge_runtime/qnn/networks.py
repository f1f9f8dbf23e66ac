"""A small network in QDQ form: a convolution, a pooling and a dense layer, with uint8 or uint16 activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx  # noqa: TID251 - test models are made here, never by the package
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper  # noqa: TID251

OPSET = 21


class Network:
    """Nodes and constants as they are added."""

    def __init__(self, activations: Any) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._activations = activations

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=f"{operator}_{output}", **attributes))
        return output

    def rounded(self, value: str, low: float, high: float) -> str:
        """The value through a pair of quantize and dequantize."""
        steps = np.iinfo(self._activations).max
        scale = self.constant(f"{value}_scale", np.array((high - low) / steps, np.float32))
        zero = self.constant(f"{value}_zero", np.array(round(-low / (high - low) * steps), self._activations))
        stored = self.node("QuantizeLinear", [value, scale, zero], f"{value}_q")
        return self.node("DequantizeLinear", [stored, scale, zero], f"{value}_dq")

    def weight(self, name: str, array: NDArray[np.float32]) -> str:
        """Stored as int8 per output channel."""
        scales = (np.abs(array).reshape(len(array), -1).max(axis=1) / 127).astype(np.float32)
        shaped = scales.reshape(-1, *[1] * (array.ndim - 1))
        names = [
            self.constant(f"{name}_i", np.round(array / shaped).astype(np.int8)),
            self.constant(f"{name}_s", scales),
            self.constant(f"{name}_z", np.zeros(len(array), np.int8)),
        ]
        return self.node("DequantizeLinear", names, name, axis=0)


def quantized(
    batch: int, *, softmax: bool = False, activations: Any = np.uint8, middle: str = "", last: str = ""
) -> bytes:
    """``image`` [batch, 1, 8, 8] to ``scores`` [batch, 4]; ``middle`` and ``last`` are one more operator, in float.

    A ``batch`` of -1 is left open.
    """
    rows: int | str = "batch" if batch < 0 else batch
    made, rng = Network(np.dtype(activations)), np.random.default_rng(7)
    image = made.rounded("image", -1, 1)
    kernel = made.weight("kernel", rng.standard_normal((6, 1, 3, 3)).astype(np.float32))
    convolved = made.rounded(made.node("Conv", [image, kernel], "conv", pads=[1, 1, 1, 1]), -8, 8)
    pooled = made.rounded(made.node("MaxPool", [convolved], "pool", kernel_shape=[2, 2], strides=[2, 2]), -8, 8)
    if middle:
        pooled = made.rounded(made.node(middle, [pooled], "middle"), -8, 8)
    flat = made.rounded(made.node("Flatten", [pooled], "flat"), -8, 8)
    dense = made.weight("dense", (rng.standard_normal((4, 96)) / 8).astype(np.float32))
    scores = made.node("Gemm", [flat, dense], "sums" if softmax or last else "raw", transB=1)
    value = made.rounded(scores, -16, 16)
    if softmax:
        value = made.node("Softmax", [value], "probabilities")
    if last:
        value = made.node(last, [value], "odd")
    made.node("Identity", [value], "scores")
    graph = helper.make_graph(
        made.nodes, "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [rows, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [rows, 4])],
        made.constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def images(rows: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(-1, 1, (rows, 1, 8, 8)).astype(np.float32)
