"""Run an ``IrGraph`` node by node, without any code of the compiler: ONNX Runtime for ONNX operators, numpy for ours.

It tells a wrong pass from a wrong kernel. Bodies are not covered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import onnx  # noqa: TID251
from numpy.typing import NDArray
from onnx import helper, numpy_helper  # noqa: TID251

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.specs import Activation, ActivationKind, Conv2d, PoolKind, QConv2d, Quant
from edge_bundle.tensor import DType
from edge_runtime.quiet_import import import_quietly

onnxruntime = import_quietly("onnxruntime")

Array: TypeAlias = NDArray[Any]
Values: TypeAlias = dict[str, Array]

onnxruntime.set_default_logger_severity(3)


def interpret(graph: IrGraph, inputs: Mapping[str, Array]) -> Values:
    """The outputs by name."""
    values: Values = {**graph.constants, **inputs}
    for node in graph.nodes:
        read = [values[name] if name else None for name in node.inputs]
        given = _OURS[node.op](node, read, graph) if node.op in _OURS else _onnx(node, read, graph.opset)
        for name, array in zip(node.outputs, given, strict=False):
            if name:
                assert array.shape == graph.types[name].shape, (node, array.shape, graph.types[name])
                assert array.dtype == np.dtype(graph.types[name].dtype.numpy_name), (node, array.dtype)
                values[name] = array
    return {name: values[name] for name in graph.outputs}


def ort(op: str, read: list[Array | None], outputs: int = 1, opset: int = 21, **attrs: Any) -> list[Array]:
    """One ONNX node under ONNX Runtime."""
    node = Node(op=op, name=op, inputs=tuple(f"i{k}" if a is not None else "" for k, a in enumerate(read)),
                outputs=tuple(f"o{k}" for k in range(outputs)), attrs=attrs)  # fmt: skip
    return _onnx(node, read, opset)


def _onnx(node: Node, read: list[Array | None], opset: int) -> list[Array]:
    attrs = {k: numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v for k, v in node.attrs.items()}
    names = [f"i{index}" if array is not None else "" for index, array in enumerate(read)]
    made = helper.make_node(node.op, names, [f"o{k}" if name else "" for k, name in enumerate(node.outputs)], **attrs)
    given = {name: array for name, array in zip(names, read, strict=True) if array is not None}
    graph = helper.make_graph(
        [made], "one",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in given.items()],
        [onnx.ValueInfoProto(name=name) for name in made.output if name],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, given))


def _first(x: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def _last(x: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def _activate(x: Array, activation: Activation) -> Array:
    kind, a, b = activation.kind, activation.a, activation.b
    sigmoid = 1 / (1 + np.exp(-x.astype(np.float64)))
    hard = np.clip((a if kind is ActivationKind.HARD_SIGMOID else 1 / 6) * x + (b if a else 0.5), 0, 1)
    return {
        ActivationKind.NONE: x,
        ActivationKind.RELU: np.maximum(x, 0),
        ActivationKind.CLIP: np.clip(x, a, b),
        ActivationKind.LEAKY_RELU: np.where(x < 0, x * np.float32(a), x),
        ActivationKind.SIGMOID: sigmoid,
        ActivationKind.TANH: np.tanh(x),
        ActivationKind.SILU: x * sigmoid,
        ActivationKind.HARD_SIGMOID: hard,
        ActivationKind.HARD_SWISH: x * hard,
    }[kind].astype(np.float32)


def _window(spec: Any) -> dict[str, Any]:
    return {"strides": spec.strides, "dilations": spec.dilations, "pads": spec.pads}


def _conv(node: Node, read: list[Array | None], _graph: IrGraph) -> list[Array]:
    spec: Conv2d = node.attrs["spec"]
    x, w, bias, residual = (*read, None)[:4]
    assert x is not None
    (y,) = ort("Conv", [_first(x), w, bias], group=spec.groups, kernel_shape=spec.kernel, **_window(spec))
    y = _last(y)
    return [_activate(y if residual is None else y + residual, spec.activation)]


def _gemm(node: Node, read: list[Array | None], _graph: IrGraph) -> list[Array]:
    a, b, bias, residual = (*read, None)[:4]
    assert a is not None
    y = a @ b
    y = y if bias is None else y + bias
    return [_activate(y if residual is None else y + residual, node.attrs["spec"].activation)]


def _pool(node: Node, read: list[Array | None], graph: IrGraph) -> list[Array]:
    spec, x = node.attrs["spec"], read[0]
    assert x is not None
    attrs = {"kernel_shape": spec.kernel, **_window(spec)}
    if spec.kind is PoolKind.MAX:
        plain = ort("MaxPool", [_first(x)], **attrs)[0].shape[2:]
        ceil = tuple(graph.types[node.output].shape[1:3]) != plain
        return [_last(ort("MaxPool", [_first(x)], ceil_mode=int(ceil), **attrs)[0])]
    return [_last(ort("AveragePool", [_first(x)], count_include_pad=int(spec.count_include_pad), **attrs)[0])]


def _global(node: Node, read: list[Array | None], _graph: IrGraph) -> list[Array]:
    x = read[0]
    assert x is not None
    if node.attrs["spec"].kind is PoolKind.MAX:
        return [x.max(axis=(1, 2), keepdims=True)]
    return [x.mean(axis=(1, 2), keepdims=True, dtype=np.float32)]


def quantize(real: Array, to: Quant, low: int | None = None, high: int | None = None) -> Array:
    """``QuantizeLinear`` of float32, then a clamp of stored values."""
    info = np.iinfo(to.dtype.numpy_name)
    stored = np.rint(real.astype(np.float32) / np.float32(to.scale)) + to.zero_point
    kept = np.clip(stored, info.min if low is None else low, info.max if high is None else high)
    return np.asarray(kept.astype(to.dtype.numpy_name))


def dequantize(stored: Array, of: Quant) -> Array:
    """``DequantizeLinear``."""
    return (stored.astype(np.int32) - of.zero_point).astype(np.float32) * np.float32(of.scale)


def _requantize(acc: Array, x: Quant, scales: Array, y: Quant, low: int, high: int) -> Array:
    factor = (np.float32(x.scale) * scales) / np.float32(y.scale)
    stored = np.rint(acc.astype(np.float32) * factor) + y.zero_point
    return np.asarray(np.clip(stored, low, high).astype(y.dtype.numpy_name))


def _unsigned(x: Array, of: Quant) -> tuple[Array, Array]:
    if of.dtype is DType.UINT8:
        return x, np.array(of.zero_point, np.uint8)
    return (x.astype(np.int16) + 128).astype(np.uint8), np.array(of.zero_point + 128, np.uint8)


def _qconv(node: Node, read: list[Array | None], _graph: IrGraph) -> list[Array]:
    spec: QConv2d = node.attrs["spec"]
    x, w, bias, residual = (*read, None)[:4]
    assert x is not None
    stored, zero = _unsigned(x, spec.x)
    window = _window(spec.conv)
    (acc,) = ort("ConvInteger", [_first(stored), w, zero], group=spec.conv.groups, kernel_shape=spec.conv.kernel,
                 **window)  # fmt: skip
    acc = _last(acc) + (0 if bias is None else bias)
    y = _requantize(acc, spec.x, spec.w_scales, spec.y, spec.low, spec.high)
    if spec.residual is None:
        return [y]
    assert residual is not None
    more = spec.residual
    total = dequantize(y, spec.y) + dequantize(residual, more.other)
    return [quantize(total, more.y, more.low, more.high)]


def _qgemm(node: Node, read: list[Array | None], _graph: IrGraph) -> list[Array]:
    spec = node.attrs["spec"]
    a, b, bias = (*read, None)[:3]
    assert a is not None
    assert b is not None
    acc = (a.astype(np.int32) - spec.x.zero_point) @ b.astype(np.int32) + (0 if bias is None else bias)
    if spec.y is None:
        return [(acc.astype(np.float32) * (np.float32(spec.x.scale) * spec.w_scales)).astype(np.float32)]
    return [_requantize(acc, spec.x, spec.w_scales, spec.y, spec.low, spec.high)]


def _qbinary(node: Node, read: list[Array | None], _graph: IrGraph) -> list[Array]:
    spec, (a, b) = node.attrs["spec"], read
    assert a is not None
    assert b is not None
    left, right = dequantize(a, spec.a), dequantize(b, spec.b)
    return [quantize(left + right if node.op == "skerry.qadd" else left * right, spec.y, spec.low, spec.high)]


def _qpool(node: Node, read: list[Array | None], graph: IrGraph) -> list[Array]:
    spec, x = node.attrs["spec"], read[0]
    assert x is not None
    if spec.pool is None:
        total = (x.astype(np.int64) - spec.x.zero_point).sum(axis=(1, 2), keepdims=True)
        return [quantize(total.astype(np.float32) * np.float32(spec.x.scale / (x.shape[1] * x.shape[2])), spec.y)]
    real = _pool(replace(node, attrs={"spec": spec.pool}), [dequantize(x, spec.x)], graph)[0]
    return [quantize(real, spec.y)]


def _qtable(node: Node, read: list[Array | None], _graph: IrGraph) -> list[Array]:
    x = read[0]
    assert x is not None
    return [node.attrs["spec"].table[x.view(np.uint8)]]


_OURS: Mapping[str, Callable[[Node, list[Array | None], IrGraph], list[Array]]] = {
    "skerry.conv2d": _conv,
    "skerry.gemm": _gemm,
    "skerry.pool2d": _pool,
    "skerry.global_pool": _global,
    "skerry.qconv2d": _qconv,
    "skerry.qgemm": _qgemm,
    "skerry.qadd": _qbinary,
    "skerry.qmul": _qbinary,
    "skerry.qpool": _qpool,
    "skerry.qtable": _qtable,
}
