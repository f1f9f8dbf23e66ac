"""Stored weights: symmetric, a scale per output channel (or per block of inputs), and int32 biases.

After R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference" (arXiv:1806.08342), section 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_plan import Weights
from compiler.quantization.layers import Layer

INT4_BLOCK = 32
"""Inputs that share a scale of 4-bit weights, where they divide into such blocks (as MatMulNBits takes them)."""

MIN_WEIGHT_SCALE = 2.0**-60
"""Least weight scale: its product with an activation's least scale is a normal float32."""

MAX_BIAS = 1 << 30
"""Largest stored bias: half of int32, so that sums of products find room."""

_LAST = {8: 127, 4: 7}


def channel_scales(matrix: NDArray[np.float32], bits: int = 8) -> NDArray[np.float32]:
    """One scale per channel (last dimension: inputs) that holds the largest magnitude."""
    peaks = np.abs(matrix).max(axis=-1, initial=0.0)
    return np.asarray(np.maximum(peaks / _LAST[bits], MIN_WEIGHT_SCALE), dtype=np.float32)


def rounded(matrix: NDArray[np.float32], scales: NDArray[np.float32], bits: int = 8) -> NDArray[np.int8]:
    """Nearest stored values; ``-128`` is not used."""
    last = _LAST[bits]
    return np.asarray(np.clip(np.rint(matrix / scales[..., None]), -last, last), dtype=np.int8)


def per_channel(layer: Layer, weights: NDArray[np.float32], bits: int = 8) -> Weights:
    """Weights by their largest magnitude, per channel where the layer has such a dimension."""
    dtype = f"int{bits}"
    if layer.axis is None:
        flat = weights.reshape(1, -1)
        scale = channel_scales(flat, bits)
        return Weights(rounded(flat, scale, bits).reshape(weights.shape), scale.reshape(()), dtype)
    matrix = layer.matrix(weights)
    return from_matrix(
        layer, rounded(matrix, scales := channel_scales(matrix, bits), bits), scales, weights.shape, dtype
    )


def from_matrix(
    layer: Layer, values: NDArray[np.int8], scales: NDArray[np.float32], shape: tuple[int, ...], dtype: str = "int8"
) -> Weights:
    """Stored values [groups, channels, inputs] and scales [groups, channels] as the tensor that the node reads."""
    held = layer.shaped(values.astype(np.float32), shape).astype(np.int8)
    return Weights(held, scales.reshape(-1), dtype, layer.axis)


def in_blocks(layer: Layer, weights: NDArray[np.float32]) -> Weights:
    """4-bit weights with a scale per block of inputs; per channel where inputs do not divide into blocks."""
    if layer.axis is None or weights.ndim != 2 or weights.shape[1 - layer.axis] % INT4_BLOCK:  # noqa: PLR2004
        return per_channel(layer, weights, bits=4)
    inputs = 1 - layer.axis
    matrix = layer.matrix(weights)[0]
    blocks = matrix.reshape(len(matrix), -1, INT4_BLOCK)
    scales = channel_scales(blocks, 4)
    values = rounded(blocks, scales, 4).reshape(matrix.shape)
    if inputs == 0:
        values, scales = values.T, scales.T
    return Weights(np.ascontiguousarray(values), np.ascontiguousarray(scales), "int4", inputs, INT4_BLOCK)


def make_room(weights: Weights, bias: NDArray[np.float32], input_scale: float) -> Weights:
    """The weights with larger scales in channels whose bias would not fit into int32 (weights of next to nothing)."""
    needed = (np.abs(bias) / (input_scale * float(MAX_BIAS))).astype(np.float32)
    if weights.axis is None or not (needed > weights.scales).any():
        return weights
    scales = np.maximum(weights.scales, needed)
    shape = [1] * weights.values.ndim
    shape[weights.axis] = -1
    values = np.rint(weights.real() / scales.reshape(shape)).astype(np.int8)
    return Weights(values, scales, weights.dtype, weights.axis)


def stored_bias(bias: NDArray[np.float32], weights: Weights, input_scale: float) -> Weights:
    """The bias in int32 at input scale times weight scale, one per channel."""
    scales = np.float32(input_scale) * weights.scales
    flat = bias.reshape(-1)
    values = np.rint(flat.astype(np.float64) / scales.astype(np.float64)).astype(np.int32)
    return Weights(values, np.broadcast_to(scales, flat.shape).astype(np.float32), "int32", 0)
