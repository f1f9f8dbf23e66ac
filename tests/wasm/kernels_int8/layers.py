"""One-layer integer graphs, exact models of them in numpy, and ONNX Runtime's own integer operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper  # noqa: TID251

from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.compile import WasmModule, compile_graph
from compiler.wasm.options import WasmOptions
from compiler.wasm.specs import Conv2d, QConv2d, QGemm, QResidual, QTable, Quant
from compiler.wasm_tools.instance import run_module
from edge_bundle.tensor import DType
from edge_runtime.quiet_import import import_quietly

onnxruntime = import_quietly("onnxruntime")

Array = NDArray[Any]
SOURCE = "sha256:" + "0" * 64
U8, S8 = DType.UINT8, DType.INT8


@dataclass(frozen=True)
class Layer:
    """A node over ``inputs`` (fed) and ``constants``; an empty name in ``reads`` leaves an input out."""

    op: str
    spec: Any
    reads: tuple[str, ...]
    inputs: dict[str, Array]
    constants: dict[str, Array]
    y: ValueType

    def graph(self) -> IrGraph:
        arrays = {**self.inputs, **self.constants}
        types = {name: ValueType(dtype_of(array), array.shape) for name, array in arrays.items()}
        node = Node(op=self.op, name="layer", inputs=self.reads, outputs=("y",), attrs={"spec": self.spec})
        return IrGraph(
            inputs=tuple(self.inputs), outputs=("y",), nodes=(node,), types={**types, "y": self.y},
            constants=self.constants, opset=17,
        )  # fmt: skip

    def compile(self, options: WasmOptions | None = None) -> WasmModule:
        return compile_graph(self.graph(), options or WasmOptions(), source=SOURCE)

    def run(self) -> Array:
        return run_module(self.compile(), self.inputs)["y"]

    def with_input(self, x: Array) -> Layer:
        return replace(self, inputs={**self.inputs, "x": x})

    def rows(self, count: int) -> Layer:
        """The same layer for the first ``count`` items of the batch."""
        inputs = {name: array[:count] for name, array in self.inputs.items()}
        return replace(self, inputs=inputs, y=ValueType(self.y.dtype, (count, *self.y.shape[1:])))

    def seven_bits(self) -> Layer:
        """The same layer for ``x`` from 0 to 127."""
        return self.with_input(self.inputs["x"] & 127)


def run_relaxed(layer: Layer) -> tuple[str, Array]:
    """Behind a table that proves seven bits of ``x``: the step's operator and the result."""
    inner = layer.graph()
    table = QTable(table=np.minimum(np.arange(256), 127).astype(np.uint8), y=U8)
    first = Node(op="skerry.qtable", name="limit", inputs=("whole",), outputs=("x",), attrs={"spec": table})
    graph = replace(
        inner,
        inputs=("whole", *inner.inputs[1:]),
        nodes=(first, *inner.nodes),
        types={**inner.types, "whole": inner.types["x"]},
    )
    module = compile_graph(graph, WasmOptions(relaxed=True), source=SOURCE)
    inputs = {"whole" if name == "x" else name: array for name, array in layer.inputs.items()}
    return module.info.steps[-1].op, run_module(module, inputs)["y"]


def dtype_of(array: Array) -> DType:
    return next(dtype for dtype in DType if np.dtype(dtype.numpy_name) == array.dtype)


def stored_range(dtype: DType) -> tuple[int, int]:
    info = np.iinfo(dtype.numpy_name)
    return int(info.min), int(info.max)


def random_stored(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Array:
    low, high = stored_range(dtype)
    return rng.integers(low, high + 1, shape).astype(dtype.numpy_name)


def random_quant(rng: np.random.Generator, dtype: DType, scale: float | None = None) -> Quant:
    low, high = stored_range(dtype)
    drawn = float(np.float32(np.exp(rng.uniform(-5, -1)) if scale is None else scale))
    return Quant(drawn, int(rng.integers(low, high + 1)), dtype)


def conv_layer(
    size: tuple[int, int, int, int], filters: int, conv: Conv2d, *, dtype: DType = U8, zero_point: int | None = None,
    residual: bool = False, limits: tuple[int, int] | None = None, bias: bool = True, seed: int = 0,
) -> Layer:  # fmt: skip
    rng = np.random.default_rng(seed)
    images, height, width, channels = size
    top, left, bottom, right = conv.pads
    reach = [conv.dilations[i] * (conv.kernel[i] - 1) + 1 for i in (0, 1)]
    out_height = (height + top + bottom - reach[0]) // conv.strides[0] + 1
    out_width = (width + left + right - reach[1]) // conv.strides[1] + 1
    weights = rng.integers(-127, 128, (filters, channels // conv.groups, *conv.kernel)).astype(np.int8)
    x = random_quant(rng, dtype)
    x = x if zero_point is None else replace(x, zero_point=zero_point)
    spread = x.scale * 0.004 * 75 * 75 * float(np.sqrt(weights[0].size))
    y = random_quant(rng, dtype, spread / 80)
    low, high = limits or stored_range(dtype)
    after = None
    inputs = {"x": random_stored(rng, size, dtype)}
    shape = (images, out_height, out_width, filters)
    if residual:
        sum_low, sum_high = stored_range(dtype)
        after = QResidual(
            other=random_quant(rng, dtype, y.scale),
            y=random_quant(rng, dtype, 1.4 * y.scale),
            low=sum_low,
            high=sum_high,
        )
        inputs["r"] = random_stored(rng, shape, dtype)
    constants: dict[str, Array] = {"w": weights}
    if bias:
        constants["b"] = rng.integers(-3000, 3000, filters).astype(np.int32)
    w_scales = rng.uniform(0.002, 0.006, filters).astype(np.float32)
    spec = QConv2d(conv=conv, x=x, w_scales=w_scales, y=y, low=low, high=high, residual=after)
    reads = ("x", "w", "b" if bias else "", "r" if residual else "")
    return Layer("skerry.qconv2d", spec, reads, inputs, constants, ValueType(dtype, shape))


def gemm_layer(rows: int, depth: int, columns: int, *, stored: bool = True, dtype: DType = U8) -> Layer:
    rng = np.random.default_rng(1)
    x = random_quant(rng, dtype)
    w_scales = rng.uniform(0.002, 0.006, columns).astype(np.float32)
    y = random_quant(rng, dtype, x.scale * 0.004 * 70 * float(np.sqrt(depth))) if stored else None
    low, high = stored_range(dtype)
    constants: dict[str, Array] = {
        "w": rng.integers(-127, 128, (depth, columns)).astype(np.int8),
        "b": rng.integers(-3000, 3000, columns).astype(np.int32),
    }
    spec = QGemm(x=x, w_scales=w_scales, y=y, low=low, high=high)
    kind = ValueType(dtype if stored else DType.FP32, (rows, columns))
    return Layer(
        "skerry.qgemm", spec, ("x", "w", "b"), {"x": random_stored(rng, (rows, depth), dtype)}, constants, kind
    )


def expected_conv(layer: Layer) -> Array:
    """Sums in 64 bits, scaled in float32, rounded half to even; then the residual's sum by fused multiply-adds."""
    spec: QConv2d = layer.spec
    sums = conv_sums(layer).astype(np.int32).astype(np.float32)
    scales = np.float32(spec.x.scale) * spec.w_scales / np.float32(spec.y.scale)
    own: Array = np.clip(np.rint(sums * scales) + spec.y.zero_point, spec.low, spec.high)
    if spec.residual is None:
        return np.asarray(own, dtype=layer.y.dtype.numpy_name)
    after = spec.residual
    both = expected_sum(own, layer.inputs["r"], spec.y, after.other, after.y)
    return np.asarray(np.clip(both, after.low, after.high), dtype=layer.y.dtype.numpy_name)


def conv_sums(layer: Layer) -> NDArray[np.int64]:
    conv = layer.spec.conv
    top, left, bottom, right = conv.pads
    x = np.pad(
        layer.inputs["x"].astype(np.int64) - layer.spec.x.zero_point, ((0, 0), (top, bottom), (left, right), (0, 0))
    )
    weights = layer.constants["w"].astype(np.int64)
    _, height, width, filters = layer.y.shape
    sums = np.zeros(layer.y.shape, dtype=np.int64) + layer.constants.get("b", np.zeros(filters)).astype(np.int64)
    group, depth = filters // conv.groups, weights.shape[1]
    for row in range(conv.kernel[0]):
        for column in range(conv.kernel[1]):
            y0, x0 = row * conv.dilations[0], column * conv.dilations[1]
            part = x[:, y0 :: conv.strides[0], x0 :: conv.strides[1]][:, :height, :width]
            for number in range(conv.groups):
                mine = slice(number * group, (number + 1) * group)
                taken = part[..., number * depth : (number + 1) * depth]
                sums[..., mine] += taken @ weights[mine, :, row, column].T
    return sums


def expected_sum(a: Array, b: Array, a_quant: Quant, b_quant: Quant, y: Quant) -> Array:
    """Two fused multiply-adds as ONNX Runtime's AVX2 kernel does them, in extended precision; not clamped."""
    a_ratio, b_ratio = np.float32(a_quant.scale) / np.float32(y.scale), np.float32(b_quant.scale) / np.float32(y.scale)
    long = np.longdouble
    offset = np.float32(long(a_ratio) * a_quant.zero_point + long(b_ratio * np.float32(b_quant.zero_point)))
    fixed = np.float32(y.zero_point) - offset
    inner = (b.astype(long) * long(b_ratio) + long(fixed)).astype(np.float32)
    return np.rint((a.astype(long) * long(a_ratio) + inner.astype(long)).astype(np.float32))


def run_ort(op: str, inputs: Mapping[str, Array], constants: Mapping[str, Array], *, reads: tuple[str, ...],
            domain: str = "com.microsoft", **attributes: Any) -> Array:  # fmt: skip
    """One operator of ONNX Runtime by one thread; its result is named y and has the dtype of ``inputs``' first."""
    first = next(iter(inputs.values()))
    kind = helper.np_dtype_to_tensor_dtype(first.dtype)
    graph = helper.make_graph(
        [helper.make_node(op, list(reads), ["y"], domain=domain, **attributes)],
        "graph",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in inputs.items()
        ],
        [helper.make_tensor_value_info("y", kind, None)],
        initializer=[numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    )
    model.ir_version = 10
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, dict(inputs))[0]
    return found


def quant_constants(name: str, quant: Quant) -> dict[str, Array]:
    """``<name>_scale`` and ``<name>_zero``."""
    return {
        f"{name}_scale": np.array(quant.scale, dtype=np.float32),
        f"{name}_zero": np.array(quant.zero_point, dtype=quant.dtype.numpy_name),
    }


def ort_conv(layer: Layer) -> Array:
    """ONNX Runtime's QLinearConv, channels last around it."""
    spec: QConv2d = layer.spec
    conv = spec.conv
    constants = {
        **quant_constants("x", spec.x), **quant_constants("y", spec.y),
        "w": layer.constants["w"], "w_scale": spec.w_scales, "w_zero": np.zeros(len(spec.w_scales), dtype=np.int8),
    }  # fmt: skip
    reads: tuple[str, ...] = ("x", "x_scale", "x_zero", "w", "w_scale", "w_zero", "y_scale", "y_zero")
    if "b" in layer.constants:
        constants["b"] = layer.constants["b"]
        reads = (*reads, "b")
    x = np.ascontiguousarray(layer.inputs["x"].transpose(0, 3, 1, 2))
    y = run_ort(
        "QLinearConv", {"x": x}, constants, reads=reads, domain="", kernel_shape=conv.kernel, strides=conv.strides,
        dilations=conv.dilations, pads=conv.pads, group=conv.groups,
    )  # fmt: skip
    return y.transpose(0, 2, 3, 1)
