"""One-layer graphs for the tuned kernels, and what numpy says they give (float64)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.compile import WasmModule, compile_graph
from compiler.wasm.options import WasmOptions
from compiler.wasm.specs import Activation, ActivationKind, Conv2d, Gemm
from compiler.wasm_tools.instance import run_module
from edge_bundle.tensor import DType

Array = NDArray[np.float32]
SOURCE = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Layer:
    """A node over ``inputs`` (fed) and ``constants``; an empty name in ``reads`` leaves an input out."""

    op: str
    spec: object
    reads: tuple[str, ...]
    inputs: dict[str, Array]
    constants: dict[str, Array]
    shape: tuple[int, ...]

    def compile(self, options: WasmOptions | None = None) -> WasmModule:
        arrays = {**self.inputs, **self.constants}
        types = {name: ValueType(DType.FP32, array.shape) for name, array in arrays.items()}
        types["y"] = ValueType(DType.FP32, self.shape)
        attrs = {} if self.spec is None else {"spec": self.spec}
        node = Node(op=self.op, name="layer", inputs=self.reads, outputs=("y",), attrs=attrs)
        graph = IrGraph(
            inputs=tuple(self.inputs), outputs=("y",), nodes=(node,), types=types, constants=self.constants, opset=17
        )
        return compile_graph(graph, options or WasmOptions(), source=SOURCE)

    def run(self, options: WasmOptions | None = None) -> Array:
        return run_module(self.compile(options), self.inputs)["y"]

    def rows(self, count: int) -> Layer:
        """The same layer for the first ``count`` items of the batch."""
        inputs = {name: array[:count] for name, array in self.inputs.items()}
        return replace(self, inputs=inputs, shape=(count, *self.shape[1:]))


def random(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)


def conv_layer(
    size: tuple[int, int, int, int], filters: int, spec: Conv2d, *, bias: bool = True, residual: bool = False
) -> Layer:
    rng = np.random.default_rng(0)
    images, height, width, channels = size
    top, left, bottom, right = spec.pads
    reach = [spec.dilations[i] * (spec.kernel[i] - 1) + 1 for i in (0, 1)]
    out_height = (height + top + bottom - reach[0]) // spec.strides[0] + 1
    out_width = (width + left + right - reach[1]) // spec.strides[1] + 1
    shape = (images, out_height, out_width, filters)
    inputs = {"x": random(rng, *size)}
    constants = {"w": random(rng, filters, channels // spec.groups, *spec.kernel)}
    if bias:
        constants["b"] = random(rng, filters)
    if residual:
        inputs["r"] = random(rng, *shape)
    reads = ("x", "w", "b" if bias else "", "r" if residual else "")
    return Layer("skerry.conv2d", spec, reads, inputs, constants, shape)


def expected_conv(layer: Layer) -> NDArray[np.float64]:
    spec = layer.spec
    assert isinstance(spec, Conv2d)
    top, left, bottom, right = spec.pads
    x = np.pad(layer.inputs["x"].astype(np.float64), ((0, 0), (top, bottom), (left, right), (0, 0)))
    w = layer.constants["w"].astype(np.float64)
    _, height, width, filters = layer.shape
    per_group = filters // spec.groups
    channels = w.shape[1]
    total = np.zeros(layer.shape)
    for ky in range(spec.kernel[0]):
        for kx in range(spec.kernel[1]):
            y0, x0 = ky * spec.dilations[0], kx * spec.dilations[1]
            rows = x[:, y0 : y0 + (height - 1) * spec.strides[0] + 1 : spec.strides[0]]
            seen = rows[:, :, x0 : x0 + (width - 1) * spec.strides[1] + 1 : spec.strides[1]]
            for g in range(spec.groups):
                mine = slice(g * per_group, (g + 1) * per_group)
                total[..., mine] += seen[..., g * channels : (g + 1) * channels] @ w[mine, :, ky, kx].T
    return finished(total, layer, spec.activation)


def gemm_layer(
    rows: int,
    depth: int,
    columns: int,
    *,
    activation: Activation | None = None,
    bias: bool = True,
    residual: bool = False,
) -> Layer:
    rng = np.random.default_rng(1)
    inputs = {"x": random(rng, rows, depth)}
    constants = {"w": random(rng, depth, columns)}
    if bias:
        constants["b"] = random(rng, columns)
    if residual:
        inputs["r"] = random(rng, rows, columns)
    reads = ("x", "w", "b" if bias else "", "r" if residual else "")
    spec = Gemm(activation=activation or Activation())
    return Layer("skerry.gemm", spec, reads, inputs, constants, (rows, columns))


def expected_gemm(layer: Layer) -> NDArray[np.float64]:
    assert isinstance(layer.spec, Gemm)
    total = layer.inputs["x"].astype(np.float64) @ layer.constants["w"].astype(np.float64)
    return finished(total, layer, layer.spec.activation)


def finished(total: NDArray[np.float64], layer: Layer, activation: Activation) -> NDArray[np.float64]:
    zero = np.zeros(1, dtype=np.float32)
    total = total + layer.constants.get("b", zero) + layer.inputs.get("r", zero)
    match activation.kind:
        case ActivationKind.RELU:
            return np.maximum(total, 0)
        case ActivationKind.CLIP:
            return np.clip(total, activation.a, activation.b)
        case ActivationKind.LEAKY_RELU:
            return np.where(total < 0, activation.a * total, total)
        case ActivationKind.SILU:
            exponential: NDArray[np.float64] = np.exp(-total)
            return total / (1 + exponential)
        case _:
            return total


def assert_close(got: Array, expected: NDArray[np.float64], *, tolerance: float = 2e-6) -> None:
    """Within ``tolerance`` of the largest value."""
    assert got.shape == expected.shape
    assert float(np.abs(got - expected).max()) <= tolerance * max(1.0, float(np.abs(expected).max()))
