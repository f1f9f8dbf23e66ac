"""What a layer multiplies its weights by: rows taken from its input, by seed, in bounded memory."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.same_pads import same_front
from compiler.quantization.layers import Layer

MAX_ROWS = 1024
"""Most rows of one layer: twice the inputs per channel of usual edge layers."""

MAX_LAYER_BYTES = 4 << 20
"""Most bytes of one layer's rows; sixty layers of a MobileNet take at most 240 MiB."""

MATRIX_RANK = 2


class Patches:
    """Rows of one layer: [rows, groups, inputs per channel], evenly from every sample."""

    def __init__(self, layer: Layer, inputs_per_row: int, samples: int) -> None:
        self._layer = layer
        most = max(1, min(MAX_ROWS, MAX_LAYER_BYTES // (4 * max(1, inputs_per_row))))
        self._each = max(1, -(-most // max(1, samples)))
        self._left = most
        self._rows: list[NDArray[np.float32]] = []

    def add(self, values: NDArray[np.float32], kernel: tuple[int, ...], places: np.random.PCG64) -> None:
        """Take rows of one sample's input."""
        count = min(self._each, self._left)
        if count <= 0 or not values.size:
            return
        if self._layer.node.op == "Conv":
            rows = _windows(values, kernel, self._layer, count, places)
        else:
            flat = values.reshape(-1, values.shape[-1])
            rows = flat[_draw(places, len(flat), count)][:, None, :]
        self._rows.append(np.ascontiguousarray(rows, dtype=np.float32))
        self._left -= len(rows)

    def result(self) -> NDArray[np.float32]:
        """All rows; none if nothing was seen."""
        return np.concatenate(self._rows) if self._rows else np.zeros((0, self._layer.groups, 0), np.float32)


def _windows(
    values: NDArray[np.float32], kernel: tuple[int, ...], layer: Layer, count: int, places: np.random.PCG64
) -> NDArray[np.float32]:
    """``count`` windows as [count, groups, channels per group x kernel]; what lies outside is zero."""
    rank = len(kernel)
    strides, dilations = (_sizes(layer, name, rank, 1) for name in ("strides", "dilations"))
    begins, sizes = _frame(layer, values.shape[2:], kernel, strides, dilations)
    total = values.shape[0] * int(np.prod(sizes))
    if total <= 0:
        return np.zeros((0, layer.groups, 0), np.float32)
    found = np.unravel_index(_draw(places, total, count), (values.shape[0], *sizes))
    taps = []
    for offset in itertools.product(*map(range, kernel)):
        where = [
            at * stride + step * dilation - begin
            for at, stride, step, dilation, begin in zip(found[1:], strides, offset, dilations, begins, strict=True)
        ]
        inside = np.logical_and.reduce([(w >= 0) & (w < size) for w, size in zip(where, values.shape[2:], strict=True)])
        held = [np.where(inside, w, 0) for w in where]
        where_in: tuple[Any, ...] = (found[0], slice(None), *held)
        picked = values[where_in]
        taps.append(np.where(inside[:, None], picked, np.float32(0)))
    rows = np.stack(taps, axis=2)
    return rows.reshape(len(rows), layer.groups, -1)


def _frame(
    layer: Layer, shape: tuple[int, ...], kernel: tuple[int, ...], strides: list[int], dilations: list[int]
) -> tuple[list[int], list[int]]:
    """Padding in front, and output sizes (ONNX Operators.md, Conv)."""
    reach = [dilation * (size - 1) + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    mode = str(layer.node.attrs.get("auto_pad", "NOTSET"))
    if mode.startswith("SAME"):
        sizes = [-(-size // stride) for size, stride in zip(shape, strides, strict=True)]
        whole = [
            (out - 1) * stride + r - size for out, stride, r, size in zip(sizes, strides, reach, shape, strict=True)
        ]
        return [same_front(total, upper=mode == "SAME_UPPER") for total in whole], sizes
    pads = _sizes(layer, "pads", 2 * len(kernel), 0) if mode == "NOTSET" else [0] * (2 * len(kernel))
    begins, ends = pads[: len(kernel)], pads[len(kernel) :]
    sizes = [
        (size + begin + end - r) // stride + 1
        for size, begin, end, r, stride in zip(shape, begins, ends, reach, strides, strict=True)
    ]
    return begins, sizes


def _sizes(layer: Layer, name: str, count: int, default: int) -> list[int]:
    found: Any = layer.node.attrs.get(name)
    return [int(size) for size in found] if found else [default] * count


def _draw(places: np.random.PCG64, total: int, count: int) -> NDArray[np.intp]:
    """Places out of ``total``: all where there are few, else drawn from PCG64's raw stream, sorted."""
    if total <= count:
        return np.arange(total, dtype=np.intp)
    raw = np.asarray(places.random_raw(count), dtype=np.uint64)
    return np.sort((raw % np.uint64(total)).astype(np.intp))
