"""Weights as the kernels read them: panels of a few columns, each panel's rows one behind the other.

A matrix [K, N] becomes ``N // width`` panels [K][width] and, if columns are left over, one narrower panel whose width
is the next multiple of a vector, filled with zeros. The layout depends on K, N and ``width`` alone, never on the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.numerics.sizes import FLOAT_LANES


@dataclass(frozen=True, slots=True)
class Panels:
    """How ``columns`` are cut: ``count`` panels of ``width`` columns, then one of ``tail`` valid columns (0: none)."""

    columns: int
    width: int

    @property
    def count(self) -> int:
        """Full panels."""
        return self.columns // self.width

    @property
    def tail(self) -> int:
        """Valid columns of the last, narrower panel."""
        return self.columns % self.width

    @property
    def tail_width(self) -> int:
        """Columns of the last panel as stored."""
        return -(-self.tail // FLOAT_LANES) * FLOAT_LANES

    @property
    def padded(self) -> int:
        """Columns as stored."""
        return self.count * self.width + self.tail_width

    def kinds(self) -> list[tuple[int, int, int]]:
        """Width as stored, valid columns and number of the panels, in order."""
        full = [(self.width, self.width, self.count)] if self.count else []
        return [*full, (self.tail_width, self.tail, 1)] if self.tail else full


def pack_matrix(matrix: NDArray[np.float32], panels: Panels, *, dot: bool = False) -> NDArray[np.float32]:
    """Lay a matrix [K, N] out in panels; a flat array of ``K * panels.padded`` values.

    ``dot``: inside a panel, four consecutive values of a column stand together ([K/4][width][4]; K a multiple of four).
    """
    rows = matrix.shape[0]
    full = panels.count * panels.width
    body = matrix[:, :full].reshape(rows, panels.count, panels.width).transpose(1, 0, 2)
    tail = np.zeros((1, rows, panels.tail_width), dtype=np.float32)
    tail[0, :, : panels.tail] = matrix[:, full:]
    parts = [
        part.reshape(len(part), rows // FLOAT_LANES, FLOAT_LANES, -1).swapaxes(2, 3) if dot else part
        for part in (body, tail)
        if part.size
    ]
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


def pack_bias(bias: NDArray[np.float32] | None, panels: Panels) -> NDArray[np.float32]:
    """Bias in the order of the columns, zeros up to ``panels.padded``; all zeros where there is none."""
    packed = np.zeros(panels.padded, dtype=np.float32)
    if bias is not None:
        packed[: panels.columns] = bias
    return packed
