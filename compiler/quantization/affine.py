"""The rule from a range to scale and zero point, and its arithmetic.

After B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"
(CVPR 2018): zero is always representable, as padding and ``Relu`` need it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_plan import STORED_RANGE, Affine
from hardware_profiles.schema import Activations

MIN_SCALE = 2.0**-64
"""Least scale of activations: its product with a weight scale shall be a normal float32 (above 2^-126)."""

FULL_BITS = 8
"""Bits of a stored byte; a scheme may use fewer."""

_DTYPES = {
    Activations.UINT8: "uint8",
    Activations.INT8: "int8",
    Activations.INT8_ASYMMETRIC: "int8",
    Activations.UINT16: "uint16",
    Activations.INT16: "int16",
}
_SYMMETRIC = frozenset({Activations.INT8, Activations.INT16})


def affine_of(low: float, high: float, activations: Activations, bits: int = FULL_BITS) -> Affine:
    """How a tensor is stored whose values lie in ``[low, high]``; the range is widened to hold zero.

    With ``bits`` below 8, the range takes the lowest ``2**bits`` stored values.
    """
    dtype = _DTYPES[activations]
    first, last = STORED_RANGE[dtype]
    low, high = min(low, 0.0), max(high, 0.0)
    if activations in _SYMMETRIC:
        return Affine(_float32(max(-low, high) / last), 0, dtype)
    if bits < FULL_BITS:
        last = first + (1 << bits) - 1
    scale = _float32((high - low) / (last - first))
    zero = int(np.clip(np.rint(first - low / scale), first, last))
    return Affine(scale, zero, dtype, highest=last if bits < FULL_BITS else None)


def round_trip(values: NDArray[np.floating[Any]], affine: Affine) -> NDArray[np.float32]:
    """What is left of float values once stored (round half to even, saturate) and read again; float32, same shape."""
    low, high = affine.stored
    scale = np.float32(affine.scale)
    stored = np.rint(values.astype(np.float32) / scale)
    stored = np.clip(stored, low - affine.zero_point, high - affine.zero_point)
    return np.asarray(stored * scale, dtype=np.float32)


def stored_constant(values: NDArray[np.float32], affine: Affine) -> NDArray[Any]:
    """A constant as the integers that stand for it."""
    low, high = STORED_RANGE[affine.dtype]
    stored = np.clip(np.rint(values / np.float32(affine.scale)) + affine.zero_point, low, high)
    return np.asarray(stored, dtype=affine.dtype)


def _float32(scale: float) -> float:
    """The nearest float32, as a Python number; a range of nothing but zero gets a scale of 1."""
    if scale == 0.0:
        return 1.0
    return float(np.float32(max(scale, MIN_SCALE)))
