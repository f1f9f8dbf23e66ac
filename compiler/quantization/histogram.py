"""The distribution of a tensor's values over many samples, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 8192
"""Bins of a histogram. Where values have one sign and the reach is twice too wide, 8 bins are left per step of 255."""

MAX_VALUES = 1 << 17
"""Most values of one tensor that a sample adds to its histogram, by an even stride; minimum and maximum see all."""

MIN_REACH = 2.0**-40
"""Smallest half width of a histogram; a tensor of zeros gets it."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """What was seen of one tensor.

    ``counts`` has ``BINS`` equal bins over ``[-reach, reach]``; ``channel_peaks`` the largest magnitude by channel
    (dimension 1), empty for tensors without one.
    """

    low: float
    high: float
    reach: float
    counts: NDArray[np.int64]
    channel_peaks: NDArray[np.float32]

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of every bin."""
        return np.asarray((np.arange(BINS) + 0.5) * (2.0 * self.reach / BINS) - self.reach, dtype=np.float64)


class Histogram:
    """Values come in samples; the range doubles when one lies outside, and pairs of bins become one."""

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf
        self._reach = MIN_REACH
        self._counts = np.zeros(BINS, np.int64)
        self._peaks: NDArray[np.float32] | None = None

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Count one sample's values; they are finite."""
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        self._low, self._high = min(self._low, low), max(self._high, high)
        while max(-low, high) > self._reach:
            self._double(max(-low, high))
        flat = values.reshape(-1)
        flat = flat[:: -(-flat.size // MAX_VALUES)]
        index = ((flat + np.float32(self._reach)) * np.float32(BINS / (2.0 * self._reach))).astype(np.int32)
        self._counts += np.bincount(np.minimum(index, BINS - 1), minlength=BINS)
        self._note_peaks(values)

    def result(self) -> Distribution:
        """What was seen so far."""
        peaks = np.zeros(0, np.float32) if self._peaks is None else self._peaks
        return Distribution(
            low=self._low, high=self._high, reach=self._reach, counts=self._counts.copy(), channel_peaks=peaks
        )

    def _double(self, needed: float) -> None:
        if not self._counts.any():
            self._reach = max(MIN_REACH, 2.0 ** float(np.ceil(np.log2(needed))))
            return
        half = self._counts.reshape(-1, 2).sum(axis=1)
        self._counts = np.zeros(BINS, np.int64)
        self._counts[BINS // 4 : BINS // 4 + BINS // 2] = half
        self._reach *= 2.0

    def _note_peaks(self, values: NDArray[np.floating[Any]]) -> None:
        if values.ndim < 2:  # noqa: PLR2004 - no dimension 1
            return
        axes = tuple(axis for axis in range(values.ndim) if axis != 1)
        peaks = np.maximum(values.max(axis=axes), -values.min(axis=axes)).astype(np.float32)
        if self._peaks is not None and self._peaks.shape == peaks.shape:
            peaks = np.maximum(peaks, self._peaks)
        self._peaks = peaks
