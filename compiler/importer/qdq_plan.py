"""What a quantized graph stores and how: the plan that ``qdq_write`` carries out. No ONNX type in it.

The real value of a stored integer is ``(stored - zero_point) * scale`` (ONNX Operators.md, DequantizeLinear).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

STORED_RANGE = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
    "int4": (-8, 7),
    "int32": (-(1 << 31), (1 << 31) - 1),
}
"""Lowest and highest value of each stored type."""


@dataclass(frozen=True)
class Affine:
    """How a tensor of activations is stored: one scale (a float32 number) and one zero point of type ``dtype``.

    ``highest`` is the largest stored value where the scheme uses fewer than the type has.
    """

    scale: float
    zero_point: int
    dtype: str
    highest: int | None = None

    @property
    def stored(self) -> tuple[int, int]:
        """Lowest and highest stored value."""
        low, high = STORED_RANGE[self.dtype]
        return low, high if self.highest is None else self.highest

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest real value."""
        low, high = self.stored
        return (low - self.zero_point) * self.scale, (high - self.zero_point) * self.scale


@dataclass(frozen=True, eq=False)
class Weights:
    """A stored constant; ``zero`` is its zero point, 0 in weights.

    ``scales`` has one float32 per entry of ``axis``, or is a number for the whole tensor (``axis`` of ``None``). With
    ``block``, that many entries along ``axis`` share a scale, and ``scales`` has the rank of ``values``.
    """

    values: NDArray[Any] = field(repr=False)
    scales: NDArray[np.float32] = field(repr=False)
    dtype: str = "int8"
    axis: int | None = None
    block: int = 0
    zero: int = 0

    def real(self) -> NDArray[np.float32]:
        """The numbers that stand for the stored ones."""
        if self.block:
            axis = self.axis or 0
            scales = np.repeat(self.scales, self.block, axis=axis).take(range(self.values.shape[axis]), axis)
        elif self.axis is None:
            scales = self.scales
        else:
            shape = [1] * self.values.ndim
            shape[self.axis] = -1
            scales = self.scales.reshape(shape)
        return (self.values.astype(np.float32) - np.float32(self.zero)) * scales


Place = tuple[str, int]
"""A node's name and the number of one of its inputs."""


@dataclass(frozen=True, kw_only=True)
class QdqPlan:
    """The whole rewrite of one graph.

    ``stored``: values that are stored, each in one way. ``reads``: how a node reads an input, where not as the float
    value; one that differs from ``stored`` is a conversion. ``weights``: constants at a node's input, stored.
    ``dropped``: ``Relu`` and ``Clip`` nodes whose work the saturation of what follows does.
    """

    stored: Mapping[str, Affine]
    reads: Mapping[Place, Affine]
    weights: Mapping[Place, Weights]
    dropped: frozenset[str] = frozenset()
    opset: int = 13
