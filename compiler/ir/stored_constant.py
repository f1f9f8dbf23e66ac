"""The integers behind a float value, where a ``DequantizeLinear`` of constants makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node


@dataclass(frozen=True, kw_only=True)
class StoredConstant:
    """Integers with their quantization: ``scale`` and ``zero_point`` are of one element, or one per index of ``axis``.

    ``axis`` is -1 when there is one scale for all.
    """

    array: NDArray[Any] = field(repr=False)
    scale: NDArray[np.float32] = field(repr=False)
    zero_point: NDArray[Any] = field(repr=False)
    axis: int

    @property
    def real(self) -> NDArray[np.float32]:
        """``(stored - zero_point) * scale`` in float32, as ``DequantizeLinear`` has it."""
        shape = [1] * self.array.ndim
        if self.axis >= 0:
            shape[self.axis] = -1
        shifted = self.array.astype(np.int64) - self.zero_point.astype(np.int64).reshape(shape)
        return shifted.astype(np.float32) * self.scale.reshape(shape)

    @property
    def symmetric(self) -> bool:
        """Whether every zero point is 0."""
        return not self.zero_point.any()


def stored_constant(maker: Node | None, constant: Callable[[str], NDArray[Any] | None]) -> StoredConstant | None:
    """What ``maker`` dequantizes, if all of it is known: one float32 scale, or one per index of an axis, not blocks.

    ``constant`` gives a known value by its name.
    """
    if maker is None or maker.op != "DequantizeLinear" or maker.attrs.get("block_size", 0):
        return None
    array, scale = constant(maker.input(0)), constant(maker.input(1))
    if array is None or scale is None or scale.dtype != np.float32:
        return None
    zero_point = constant(maker.input(2)) if maker.input(2) else np.zeros(scale.shape, array.dtype)
    if zero_point is None:
        return None
    axis = -1
    if scale.ndim == 1 and scale.size > 1:
        axis = int(maker.attrs.get("axis", 1)) % array.ndim
    elif scale.size != 1:
        return None
    return StoredConstant(array=array, scale=scale.reshape(-1), zero_point=zero_point.reshape(-1), axis=axis)
