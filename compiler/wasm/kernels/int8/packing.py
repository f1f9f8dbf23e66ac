"""Weights, biases and scales as the integer kernels read them.

Columns (output channels) are cut into blocks of 16, the last one of 8 if no more are left. A block's weights are
``[group][column][element]``: a group holds what one lane of a dot product multiplies, two elements of 16 bits for
``i32x4.dot_i16x8_s``, four of 8 bits for relaxed SIMD. The file holds int8; ``init`` widens them in the same order.

Activations are used as stored: ``sum((q - zero) * w) = sum(q * w) - zero * sum(w)``, so the zero point goes into the
bias, and padding is the stored zero point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.specs import Quant

WIDE, NARROW = 16, 8
"""Columns of a block and of a narrow last block."""

PARAMETER_BYTES = 8
"""Bias (int32) and scale (float32) of one column."""

_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class Block:
    """Columns ``start`` to ``start + used``, computed as ``width`` columns."""

    start: int
    width: int
    used: int


def column_blocks(columns: int) -> tuple[Block, ...]:
    """The blocks of that many columns, in order."""
    whole = [Block(start, WIDE, WIDE) for start in range(0, columns - columns % WIDE, WIDE)]
    rest = columns % WIDE
    last = [Block(columns - rest, WIDE if rest > NARROW else NARROW, rest)] if rest else []
    return (*whole, *last)


def padded_columns(columns: int) -> int:
    """Columns with those that only fill the last block."""
    return sum(block.width for block in column_blocks(columns))


@dataclass(frozen=True, slots=True)
class Format:
    """How activations are multiplied: bytes of an element, elements of a group (a group is always 4 bytes)."""

    name: str
    itemsize: int
    group: int

    def groups(self, length: int) -> int:
        """Groups of a run."""
        return -(-length // self.group)


WORDS = Format("w", 2, 2)
"""Widened to int16: ``i32x4.dot_i16x8_s``, right for every 8-bit value."""

SEVEN_BITS = Format("r", 1, 4)
"""As stored, 0 to 127: ``i32x4.relaxed_dot_i8x16_i7x16_add_s``, which gives the same everywhere for such values."""


def pack_groups(weights: NDArray[Any], form: Format) -> NDArray[np.int8]:
    """Weights [columns, runs, length] (int8) as blocks of ``[run][group][column][element]``; zeros fill last groups."""
    columns, runs, length = weights.shape
    whole = np.zeros((padded_columns(columns), runs, form.groups(length) * form.group), dtype=np.int8)
    whole[:columns, :, :length] = weights
    parts = []
    for block in column_blocks(columns):
        part = whole[block.start : block.start + block.width].reshape(block.width, -1, form.group)
        parts.append(part.transpose(1, 0, 2).ravel())
    return np.concatenate(parts)


def pack_parameters(biases: NDArray[Any], scales: NDArray[Any]) -> NDArray[np.int32]:
    """Biases and scales (as their bits) by block: first all biases of the block, then all scales."""
    columns = len(biases)
    both = np.zeros((2, padded_columns(columns)), dtype=np.int32)
    both[0, :columns] = biases
    both[1, :columns] = np.ascontiguousarray(scales, dtype=np.float32).view(np.int32)
    blocks = column_blocks(columns)
    return np.concatenate([both[:, block.start : block.start + block.width].ravel() for block in blocks])


@dataclass(frozen=True)
class Sums:
    """What is known of the 32-bit sums of each column: the bias with the zero point folded in, and bounds."""

    biases: NDArray[np.int64]
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]

    @property
    def fits(self) -> bool:
        """Whether every sum fits into 32 bits."""
        return bool(self.lowest.min() >= _INT32.min and self.highest.max() <= _INT32.max)

    def largest(self, scales: NDArray[Any]) -> float:
        """Bound of ``|sum * scale|`` over all columns."""
        sums = np.maximum(np.abs(self.lowest), np.abs(self.highest)).astype(np.float64)
        return float((sums * np.abs(scales.astype(np.float64))).max())


def fold(weights: NDArray[Any], bias: NDArray[Any] | None, x: Quant, limits: tuple[int, int]) -> Sums:
    """Fold the zero point of ``x`` into the biases of ``weights`` [columns, ...].

    The bounds hold for every stored value within ``limits``, and for padding.
    """
    flat = weights.reshape(len(weights), -1).astype(np.int64)
    given = np.zeros(len(flat), dtype=np.int64) if bias is None else bias.astype(np.int64)
    low, high = min(limits[0], x.zero_point), max(limits[1], x.zero_point)
    up, down = np.maximum(flat, 0).sum(axis=1), np.maximum(-flat, 0).sum(axis=1)
    return Sums(
        biases=(given - x.zero_point * flat.sum(axis=1)).astype(np.int32).astype(np.int64),
        lowest=given + up * (low - x.zero_point) - down * (high - x.zero_point),
        highest=given + up * (high - x.zero_point) - down * (low - x.zero_point),
    )


def output_scales(x: Quant, weights: NDArray[Any], y: Quant | None) -> NDArray[np.float32]:
    """``x.scale * w_scale / y.scale`` in float32, rounded as ONNX Runtime does (``QLinearConv``, ``QGemm``).

    What is too large for float32 is infinite.
    """
    with np.errstate(all="ignore"):
        product = np.float32(x.scale) * np.ascontiguousarray(weights, dtype=np.float32)
        return product if y is None else np.asarray(product / np.float32(y.scale), dtype=np.float32)
