"""Graphs in QDQ form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper  # noqa: TID251 - made here, read by the package

from compiler.graph import Graph
from tests.compiler.models import Shape, model
from tests.compiler.tflite.running import graph_of, rand

OPSET = 21
"""16-bit quantization is of opset 21."""


@dataclass
class Qdq:
    """A graph under construction; every value is float, quantized and dequantized again."""

    dtype: str = "int8"
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    def quantized(self, value: str, scale: float, zero: int = 0) -> str:
        """``value`` rounded to the scale; ``zero`` is that of int8, whatever the dtype."""
        shift = {"uint8": 128, "uint16": 32768}.get(self.dtype, 0)
        self.constants[f"{value}/s"] = np.array(scale, np.float32)
        self.constants[f"{value}/z"] = np.array(zero + shift, self.dtype)
        self.nodes.append(self._node("QuantizeLinear", [value, f"{value}/s", f"{value}/z"], f"{value}/q"))
        self.nodes.append(self._node("DequantizeLinear", [f"{value}/q", f"{value}/s", f"{value}/z"], f"{value}/d"))
        return f"{value}/d"

    def weights(self, name: str, array: NDArray[np.float32], axis: int) -> tuple[str, NDArray[np.float32]]:
        """Symmetric int8 per channel; the value and its scales."""
        others = tuple(index for index in range(array.ndim) if index != axis)
        scale = (np.abs(array).max(axis=others) / 127).astype(np.float32)
        wide = scale.reshape([-1 if index == axis else 1 for index in range(array.ndim)])
        self.constants[f"{name}/q"] = np.clip(np.rint(array / wide), -127, 127).astype(np.int8)
        self.constants[f"{name}/s"], self.constants[f"{name}/z"] = scale, np.zeros(scale.shape, np.int8)
        self.nodes.append(self._node("DequantizeLinear", [f"{name}/q", f"{name}/s", f"{name}/z"], name, axis=axis))
        return name, scale

    def bias(self, name: str, array: NDArray[np.float32], scale: NDArray[np.float32]) -> str:
        """int32 of that scale."""
        self.constants[f"{name}/q"] = np.rint(array / scale).astype(np.int32)
        self.constants[f"{name}/s"], self.constants[f"{name}/z"] = scale, np.zeros(scale.shape, np.int32)
        self.nodes.append(self._node("DequantizeLinear", [f"{name}/q", f"{name}/s", f"{name}/z"], name, axis=0))
        return name

    def add(self, op: str, inputs: Sequence[str], output: str, **attrs: Any) -> str:
        """A float operator."""
        self.nodes.append(self._node(op, list(inputs), output, **attrs))
        return output

    def graph(self, inputs: dict[str, Shape], outputs: dict[str, Shape]) -> Graph:
        """The model."""
        proto = model(self.nodes, inputs=inputs, outputs=outputs, constants=self.constants, opset=OPSET)
        return graph_of(proto)

    @staticmethod
    def _node(op: str, inputs: list[str], output: str, **attrs: Any) -> NodeProto:
        return helper.make_node(op, inputs, [output], name=f"{output}/node", **attrs)


def chain(dtype: str) -> Graph:
    """A convolution, a pool, a sum, a mean and a dense layer, all quantized."""
    made = Qdq(dtype)
    symmetric = dtype.endswith("16")
    steps = 1 / 256 if symmetric else 1.0
    x = made.quantized("x", 0.03 * steps, 0 if symmetric else 5)
    w, scale = made.weights("w", rand(6, 3, 3, 3, scale=0.3), 0)
    b = made.bias("b", rand(6), np.float32(0.03 * steps) * scale)
    made.add("Conv", [x, w, b], "h", pads=[1, 1, 1, 1])
    made.add("Relu", ["h"], "r")
    r = made.quantized("r", 0.05 * steps, 0 if symmetric else -128)
    v, scale = made.weights("v", rand(6, 6, 1, 1, seed=3, scale=0.4), 0)
    made.add("Conv", [r, v], "t")
    t = made.quantized("t", 0.06 * steps, 0 if symmetric else 3)
    made.add("Add", [r, t], "a")
    a = made.quantized("a", 0.08 * steps, 0 if symmetric else -20)
    made.add("GlobalAveragePool", [a], "g")
    g = made.quantized("g", 0.02 * steps, 0 if symmetric else -100)
    made.add("Flatten", [g], "f")
    f = made.quantized("f", 0.02 * steps, 0 if symmetric else -100)
    m, scale = made.weights("m", rand(4, 6, seed=4), 0)
    c = made.bias("c", rand(4, seed=6), np.float32(0.02 * steps) * scale)
    made.add("Gemm", [f, m, c], "o", transB=1)
    o = made.quantized("o", 0.1 * steps, 0 if symmetric else 7)
    made.add("Identity", [o], "y")
    return made.graph({"x": (1, 3, 8, 8)}, {"y": (1, 4)})
