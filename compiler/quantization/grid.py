"""Inputs whose values lie on a grid already, as those of a camera or of any converter of 8 bits do.

Stored with the grid's own step they lose nothing, also on inputs brighter or darker than calibration has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_plan import STORED_RANGE
from compiler.quantization.ranges import Rule
from compiler.quantization.recipe import Range

MIN_LEVELS = 16
"""Fewest different values that show a grid: with fewer it may be chance, or a mask."""

MAX_LEVELS = 256
"""Most different values that a byte tells apart."""

SAME = 1e-3
"""How far, in steps, a value may lie from the grid: float32 rounding of what scaled it."""


def grid_range(arrays: Sequence[NDArray[Any]], rule: Rule) -> Range | None:
    """The range under which ``rule`` stores all values exactly, if they lie on a grid around zero of so few steps.

    Steps that are left over go to both sides, but to none below zero where no value is.
    """
    values = np.unique(np.concatenate([np.unique(array) for array in arrays]))
    if not MIN_LEVELS <= len(values) <= MAX_LEVELS:
        return None
    step = _step(values)
    first, last = round(float(values[0] / step)), round(float(values[-1] / step))
    spare = MAX_LEVELS - 1 - (max(last, 0) - min(first, 0))
    if spare < 0 or np.abs(values / step - np.rint(values / step)).max() > SAME:
        return None
    below = spare // 2 if first < 0 < last else spare if last <= 0 else 0
    low, high = (min(first, 0) - below) * step, (max(last, 0) + spare - below) * step
    affine = rule(low, high)
    lowest, highest = ((end - affine.zero_point) for end in STORED_RANGE[affine.dtype])
    holds = lowest <= first and last <= highest and abs(affine.scale / step - 1.0) * MAX_LEVELS < SAME
    return (low, high) if holds else None


def _step(values: NDArray[Any]) -> float:
    """The grid's step: the least difference, made exact over the whole width."""
    exact = values.astype(np.float64)
    least = float(np.diff(exact).min())
    width = float(exact[-1] - exact[0])
    return width / max(1, round(width / least))
