"""One-node graphs with the layer shapes of kws, ic, ad and mobilenetv2, and how often each layer occurs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import IrGraph, Node, ValueType, constant_type
from compiler.wasm.compile import WasmModule, compile_graph
from compiler.wasm.options import WasmOptions
from compiler.wasm.specs import Activation, ActivationKind, Conv2d, Gemm, GlobalPool, PoolKind
from edge_bundle.tensor import DType

RELU = Activation(ActivationKind.RELU)
RELU6 = Activation(ActivationKind.CLIP, 0.0, 6.0)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One layer: ``count`` of them in ``model``. Shapes are those of ``compiler/wasm/specs.py``."""

    name: str
    model: str
    op: str
    spec: object
    input: tuple[int, ...]
    output: tuple[int, ...]
    weights: tuple[int, ...] = ()
    residual: bool = False
    count: int = 1

    def compile(self, options: WasmOptions) -> WasmModule:
        """A module of this layer alone."""
        rng = np.random.default_rng(0)
        constants = {}
        if self.weights:
            constants["w"] = rng.standard_normal(self.weights, dtype=np.float32)
            constants["bias"] = rng.standard_normal(self.output[-1], dtype=np.float32)
        return self.one_node(self.op, self.spec, DType.FP32, constants, options)

    def one_node(
        self, op: str, spec: object, dtype: DType, constants: Mapping[str, NDArray[Any]], options: WasmOptions
    ) -> WasmModule:
        """A module of one node of this layer's shapes; its input, residual and output have that dtype."""
        inputs = ("x", "r") if self.residual else ("x",)
        values = {"x": self.input, "r": self.output, "y": self.output}
        types = {name: ValueType(dtype, values[name]) for name in (*inputs, "y")}
        types |= {name: constant_type(array) for name, array in constants.items()}
        reads = ("x", *constants, *inputs[1:])
        node = Node(op=op, name="layer", inputs=reads, outputs=("y",), attrs={"spec": spec})
        graph = IrGraph(inputs=inputs, outputs=("y",), nodes=(node,), types=types, constants=constants, opset=17)
        return compile_graph(graph, options, source="sha256:" + "0" * 64)


def cases() -> list[Case]:
    """Every distinct layer."""
    return [*_kws(), *_ic(), *_ad(), *_mobilenetv2()]


def _conv(  # noqa: PLR0913 - a layer's shape
    model: str,
    size: tuple[int, int, int],
    filters: int,
    kernel: tuple[int, int],
    *,
    stride: int = 1,
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    depthwise: bool = False,
    activation: Activation = RELU,
    residual: bool = False,
    count: int = 1,
) -> Case:
    height, width, channels = size
    groups = channels if depthwise else 1
    out = tuple(
        (edge + pads[axis] + pads[axis + 2] - kernel[axis]) // stride + 1 for axis, edge in enumerate((height, width))
    )
    spec = Conv2d(kernel=kernel, strides=(stride, stride), pads=pads, groups=groups, activation=activation)
    kind = "dw" if depthwise else "conv"
    return Case(
        name=f"{model} {kind}{kernel[0]}x{kernel[1]} s{stride} {height}x{width}x{channels}-{filters}"
        + ("+res" if residual else ""),
        model=model,
        op="skerry.conv2d",
        spec=spec,
        input=(1, height, width, channels),
        output=(1, *out, filters),
        weights=(filters, channels // groups, *kernel),
        residual=residual,
        count=count,
    )


def _gemm(model: str, depth: int, columns: int, *, activation: Activation = RELU, count: int = 1) -> Case:
    return Case(
        name=f"{model} gemm 1x{depth}-{columns}",
        model=model,
        op="skerry.gemm",
        spec=Gemm(activation=activation),
        input=(1, depth),
        output=(1, columns),
        weights=(depth, columns),
        count=count,
    )


def _pool(model: str, size: tuple[int, int, int]) -> Case:
    return Case(
        name=f"{model} global_pool {size[0]}x{size[1]}x{size[2]}",
        model=model,
        op="skerry.global_pool",
        spec=GlobalPool(kind=PoolKind.AVERAGE),
        input=(1, *size),
        output=(1, 1, 1, size[2]),
    )


def _kws() -> Iterator[Case]:
    yield _conv("kws", (49, 10, 1), 64, (10, 4), stride=2, pads=(4, 1, 5, 1))
    yield _conv("kws", (25, 5, 64), 64, (3, 3), pads=(1, 1, 1, 1), depthwise=True, count=4)
    yield _conv("kws", (25, 5, 64), 64, (1, 1), count=4)
    yield _pool("kws", (25, 5, 64))
    yield _gemm("kws", 64, 12, activation=Activation())


def _ic() -> Iterator[Case]:
    same, below = (1, 1, 1, 1), (0, 0, 1, 1)
    yield _conv("ic", (32, 32, 3), 16, (3, 3), pads=same)
    yield _conv("ic", (32, 32, 16), 16, (3, 3), pads=same)
    yield _conv("ic", (32, 32, 16), 16, (3, 3), pads=same, residual=True)
    yield _conv("ic", (32, 32, 16), 32, (3, 3), stride=2, pads=below)
    yield _conv("ic", (32, 32, 16), 32, (1, 1), stride=2, activation=Activation())
    yield _conv("ic", (16, 16, 32), 32, (3, 3), pads=same, residual=True)
    yield _conv("ic", (16, 16, 32), 64, (3, 3), stride=2, pads=below)
    yield _conv("ic", (16, 16, 32), 64, (1, 1), stride=2, activation=Activation())
    yield _conv("ic", (8, 8, 64), 64, (3, 3), pads=same, residual=True)
    yield _pool("ic", (8, 8, 64))
    yield _gemm("ic", 64, 10, activation=Activation())


def _ad() -> Iterator[Case]:
    yield _gemm("ad", 640, 128)
    yield _gemm("ad", 128, 128, count=6)
    yield _gemm("ad", 128, 8)
    yield _gemm("ad", 8, 128)
    yield _gemm("ad", 128, 640, activation=Activation())


_BOTTLENECKS = (
    # size, channels in, expanded, channels out, stride, repeats with a residual
    (112, 16, 96, 24, 2, 0),
    (56, 24, 144, 24, 1, 1),
    (56, 24, 144, 32, 2, 0),
    (28, 32, 192, 32, 1, 2),
    (28, 32, 192, 64, 2, 0),
    (14, 64, 384, 64, 1, 3),
    (14, 64, 384, 96, 1, 0),
    (14, 96, 576, 96, 1, 2),
    (14, 96, 576, 160, 2, 0),
    (7, 160, 960, 160, 1, 2),
    (7, 160, 960, 320, 1, 0),
)


def _mobilenetv2() -> Iterator[Case]:
    model = "mobilenetv2"
    yield _conv(model, (224, 224, 3), 32, (3, 3), stride=2, pads=(0, 0, 1, 1), activation=RELU6)
    yield _conv(model, (112, 112, 32), 32, (3, 3), pads=(1, 1, 1, 1), depthwise=True, activation=RELU6)
    yield _conv(model, (112, 112, 32), 16, (1, 1), activation=Activation())
    for size, narrow, wide, out, stride, repeats in _BOTTLENECKS:
        count = max(1, repeats)
        pads = (1, 1, 1, 1) if stride == 1 else (0, 0, 1, 1)
        yield _conv(model, (size, size, narrow), wide, (1, 1), activation=RELU6, count=count)
        yield _conv(
            model,
            (size, size, wide),
            wide,
            (3, 3),
            stride=stride,
            pads=pads,
            depthwise=True,
            activation=RELU6,
            count=count,
        )
        after = size // stride
        yield _conv(
            model, (after, after, wide), out, (1, 1), activation=Activation(), residual=repeats > 0, count=count
        )
    yield _conv(model, (7, 7, 320), 1280, (1, 1), activation=RELU6)
    yield _pool(model, (7, 7, 1280))
    yield _conv(model, (1, 1, 1280), 1001, (1, 1), activation=Activation())
