"""Random QDQ graphs of a seed: scales and zero points at their ends, parameters that are shared, weights per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto  # noqa: TID251

from tests.property.wild_graphs import ImpossibleError, Wild

Array = NDArray[Any]

LAYERS = 4


@dataclass(frozen=True)
class Stored:
    """A quantized value: its name, and those of its scale and zero point."""

    name: str
    scale: float
    parameters: tuple[str, str]


def integer_graph(seed: int) -> tuple[ModelProto, dict[str, Array]]:
    """A graph whose outputs are everything that it stores, and its input in integers."""
    wild = Wild(seed)
    dtype = wild.pick(np.uint8, np.int8)
    shape = [wild.pick(1, 1, 2), *(wild.pick(1, 2, 3, 4, 7, 8) for _ in range(wild.pick(1, 3, 3)))]
    name = wild.input(TensorProto.UINT8 if dtype is np.uint8 else TensorProto.INT8, shape)
    values = [Stored(name, 0.05, _parameters(wild, 0.05, dtype))]
    for _ in range(3 * LAYERS):
        before = (len(wild.nodes), dict(wild.types), dict(wild.constants))
        try:
            values.append(_layer(wild, values, dtype))
        except ImpossibleError:
            del wild.nodes[before[0] :]
            wild.types, wild.constants = before[1], before[2]
        if len(values) > LAYERS:
            break
    ends = np.iinfo(dtype)
    if len(values) == 1:
        values.append(_store(wild, wild.node("Relu", [_read(wild, values[0])]), 0.05, dtype))
    return wild.model([value.name for value in values[1:]]), {
        name: wild.rng.integers(ends.min, ends.max + 1, shape).astype(dtype)
    }


def _parameters(w: Wild, scale: float, dtype: Any) -> tuple[str, str]:
    ends = np.iinfo(dtype)
    zero = w.pick(ends.min, ends.max, 0, ends.min + 128, w.number(ends.min, ends.max))
    return w.constant(np.float32(scale)), w.constant(np.array(zero, dtype))


def _read(w: Wild, value: Stored) -> str:
    return w.node("DequantizeLinear", [value.name, *value.parameters])


def _store(w: Wild, x: str, scale: float, dtype: Any, like: Stored | None = None) -> Stored:
    """``like`` gives scale and zero point."""
    scale = like.scale if like else scale * w.rng.uniform(0.3, 2)
    parameters = like.parameters if like else _parameters(w, scale, dtype)
    return Stored(w.node("QuantizeLinear", [x, *parameters]), scale, parameters)


def _layer(w: Wild, values: Sequence[Stored], dtype: Any) -> Stored:
    value = w.pick(values[-1], values[-1], *values)
    image = len(w.shape(value.name)) == 4
    layer = w.pick(*((_conv, _conv, _pool) if image else (_dense, _dense)), _pair, _move, _concat)
    made: Stored = layer(w, value, values, dtype)
    return made


def _weights(w: Wild, shape: Sequence[int], axis: int) -> tuple[str, Array]:
    """Dequantized weights, one scale or one per channel, and the scales."""
    numbers = w.constant(w.rng.integers(-127, 128, shape).astype(np.int8))
    scales = (2.0 ** w.rng.uniform(-9, -5, w.pick((), (shape[axis],)))).astype(np.float32)
    zeros = w.constant(np.zeros(scales.shape, np.int8))
    return w.node("DequantizeLinear", [numbers, w.constant(scales), zeros], axis=axis), scales


def _bias(w: Wild, value: Stored, scales: Array, count: int) -> str:
    numbers = w.constant(w.rng.integers(-3000, 3000, count).astype(np.int32))
    return w.node("DequantizeLinear", [numbers, w.constant(np.float32(value.scale) * scales)], axis=0)


def _between(w: Wild, x: str, scale: float) -> str:
    low, high = w.constant(np.float32(w.pick(0, -30 * scale))), w.constant(np.float32(60 * scale))
    op, *inputs = w.pick(["", x], ["Relu", x], ["Clip", x, low, high])
    return w.node(op, inputs) if op else x


def _conv(w: Wild, value: Stored, _: Sequence[Stored], dtype: Any) -> Stored:
    channels = w.shape(value.name)[1]
    groups, kernel = w.pick(1, 1, channels), w.pick(1, 1, 3, 3, 5)
    out = groups * w.pick(1, 2) if groups > 1 else w.pick(1, 3, 8, 16, 17)
    weights, scales = _weights(w, (out, channels // groups, kernel, kernel), 0)
    inputs = [_read(w, value), weights, *w.pick([], [_bias(w, value, scales, out)])]
    small = min(w.shape(value.name)[2:]) < kernel
    pads = [kernel // 2] * 4 if small else w.pick([kernel // 2] * 4, [0, 1, 1, 0], [0] * 4)
    y = w.node("Conv", inputs, group=groups, pads=pads, strides=[w.pick(1, 1, 2)] * 2)
    scale = value.scale * float(scales.mean()) * 70 * np.sqrt(channels // groups * kernel**2)
    return _store(w, _between(w, y, scale), scale, dtype)


def _dense(w: Wild, value: Stored, _: Sequence[Stored], dtype: Any) -> Stored:
    depth, out = w.shape(value.name)[-1], w.pick(1, 3, 10, 17)
    weights, scales = _weights(w, (depth, out), 1)
    x = _read(w, value)
    scale = value.scale * float(scales.mean()) * 70 * np.sqrt(depth)
    if len(w.shape(value.name)) == 2 and w.pick(True, False):
        y = w.node("Gemm", [x, weights, _bias(w, value, scales, out)])
    else:
        y = w.node("MatMul", [x, weights])
    return _store(w, _between(w, y, scale), scale, dtype)


def _pool(w: Wild, value: Stored, _: Sequence[Stored], dtype: Any) -> Stored:
    kernel = [min(size, w.pick(1, 2, 3)) for size in w.shape(value.name)[2:]]
    y = w.node("MaxPool", [_read(w, value)], kernel_shape=kernel, strides=[w.pick(1, 2)] * 2)
    return _store(w, y, value.scale, dtype, value)


def _pair(w: Wild, value: Stored, values: Sequence[Stored], dtype: Any) -> Stored:
    other = w.pick(*(one for one in values if w.shape(one.name) == w.shape(value.name)))
    y = w.node("Add", [_read(w, value), _read(w, other)])
    y = w.node("Relu", [y]) if w.pick(True, False) else y
    return _store(w, y, max(value.scale, other.scale), dtype)


def _move(w: Wild, value: Stored, _: Sequence[Stored], dtype: Any) -> Stored:
    x, rank = _read(w, value), len(w.shape(value.name))
    kind = w.pick("Transpose", "Reshape", "Slice")
    if kind == "Transpose":
        y = w.node(kind, [x], perm=[0, *(int(axis) + 1 for axis in w.rng.permutation(rank - 1))])
    else:
        y = w.node(kind, [x, *([w.ints(0, -1)] if kind == "Reshape" else [w.ints(0), w.ints(3), w.ints(rank - 1)])])
    return _store(w, y, value.scale, dtype, w.pick(value, None))


def _concat(w: Wild, value: Stored, values: Sequence[Stored], dtype: Any) -> Stored:
    shape = w.shape(value.name)
    fits = [one for one in values if (*w.shape(one.name)[:1], *w.shape(one.name)[2:]) == (*shape[:1], *shape[2:])]
    other = w.pick(*(one for one in fits if len(w.shape(one.name)) == len(shape)))
    y = w.node("Concat", [_read(w, value), _read(w, other)], axis=1)
    return _store(w, y, max(value.scale, other.scale), dtype, w.pick(value, None))
