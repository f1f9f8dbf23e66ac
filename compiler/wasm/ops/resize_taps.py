"""Where an output element of Resize comes from, along one axis: indices and weights, computed at compile time.

Sources: ONNX operator Resize-19 (coordinate transformations, nearest modes, cubic coefficients, antialiasing).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One resized axis: ``start`` and ``end`` are the region of interest, in parts of the axis."""

    size: int
    output: int
    scale: float
    start: float = 0.0
    end: float = 1.0

    @property
    def resized(self) -> float:
        """The output's size before it is rounded."""
        return self.scale * self.size


@dataclass(frozen=True)
class Taps:
    """Output ``i`` is the sum of ``weights[i, k] * x[indices[i, k]]``; ``outside[i]``: it lies beyond the input."""

    indices: NDArray[np.int32] = field(repr=False)
    weights: NDArray[np.float32] = field(repr=False)
    outside: NDArray[np.bool_] = field(repr=False)


def _align_corners(axis: Axis, y: Floats) -> Floats:
    return y * 0 if axis.resized == 1 else y * (axis.size - 1) / (axis.resized - 1)


def _crop_and_resize(axis: Axis, y: Floats) -> Floats:
    extent = (axis.end - axis.start) * (axis.size - 1)
    moved = y * 0 + extent / 2 if axis.resized == 1 else y * extent / (axis.resized - 1)
    return moved + axis.start * (axis.size - 1)


def _half_pixel(axis: Axis, y: Floats) -> Floats:
    return (y + 0.5) / axis.scale - 0.5


def _half_pixel_symmetric(axis: Axis, y: Floats) -> Floats:
    return _half_pixel(axis, y) + axis.size / 2 * (1 - axis.output / axis.resized)


COORDINATES: Mapping[str, Callable[[Axis, Floats], Floats]] = {
    "align_corners": _align_corners,
    "asymmetric": lambda axis, y: y / axis.scale,
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": lambda axis, y: y * 0 - 0.5 if axis.resized == 1 else _half_pixel(axis, y),
    "tf_crop_and_resize": _crop_and_resize,
}
"""Attribute ``coordinate_transformation_mode``: from output positions to input positions."""

NEAREST: Mapping[str, Callable[[Floats], Floats]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
}
"""Attribute ``nearest_mode``: from input positions to indices."""


_WHOLE = 1e-9
"""Closer to an integer, a position is that integer: what is left are rounding errors."""


def _positions(axis: Axis, coordinates: str) -> Floats:
    """Where in the input each output element lies."""
    x = COORDINATES[coordinates](axis, np.arange(axis.output, dtype=np.float64))
    whole = np.rint(x)
    return np.where(np.abs(x - whole) < _WHOLE, whole, x)


def nearest(axis: Axis, coordinates: str, rounding: str) -> Taps:
    """One tap of weight 1."""
    x = _positions(axis, coordinates)
    indices = NEAREST[rounding](x)[:, None]
    return _taps(axis, coordinates, x, indices, np.ones_like(indices))


def linear(axis: Axis, coordinates: str, *, exclude: bool, antialias: bool) -> Taps:
    """Two taps, or as many as a shrunken output covers when ``antialias``."""
    return _weighted(axis, coordinates, lambda x: np.clip(1 - np.abs(x), 0, 1), 1, exclude, antialias)


def cubic(axis: Axis, coordinates: str, a: float, *, exclude: bool, antialias: bool) -> Taps:
    """Four taps, or twice as many as a shrunken output covers; ``a`` is the coefficient of Keys' kernel."""

    def kernel(x: Floats) -> Floats:
        far = np.abs(x)
        near_part = ((a + 2) * far - (a + 3)) * far * far + 1
        far_part = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
        return np.where(far <= 1, near_part, np.where(far < 2, far_part, 0.0))  # noqa: PLR2004 - the kernel's radius

    return _weighted(axis, coordinates, kernel, 2, exclude, antialias)


def _weighted(
    axis: Axis, coordinates: str, kernel: Callable[[Floats], Floats], radius: int, exclude: bool, antialias: bool
) -> Taps:  # fmt: skip
    """Taps within ``radius`` of the position, in steps of the output when it is smaller and antialiased."""
    x = _positions(axis, coordinates)
    shrink = min(axis.scale, 1.0) if antialias else 1.0
    reach = -int(math.floor(-radius / shrink) + 1)
    indices = (np.ceil(x) - 1)[:, None] + np.arange(-reach, reach + 2, dtype=np.float64)
    weights = kernel((indices - x[:, None]) * shrink)
    if exclude:
        weights = np.where((indices < 0) | (indices >= axis.size), 0.0, weights)
    if antialias or exclude:
        totals = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(totals == 0, 1.0, totals)
    return _taps(axis, coordinates, x, indices, weights)


def _taps(axis: Axis, coordinates: str, x: Floats, indices: Floats, weights: Floats) -> Taps:
    outside = (x < 0) | (x > axis.size - 1) if coordinates == "tf_crop_and_resize" else np.zeros(len(x), np.bool_)
    return Taps(_clipped(indices, axis.size), weights.astype("<f4"), outside)


def _clipped(indices: Floats, size: int) -> NDArray[Any]:
    """Beyond the edge the edge is repeated."""
    return np.clip(indices, 0, size - 1).astype("<i4")
