"""Spoken words as the keyword spotter takes them: 49 frames of 10 MFCCs.

The feature pipeline of MLPerf Tiny's keyword spotter (mlcommons/tiny, benchmark/training/keyword_spotting): frames of
480 samples every 320, Hann window, 512-point FFT, 40 mel bands from 20 to 4000 Hz, logarithm, orthonormal-like DCT.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000
FRAME, STEP, POINTS = 480, 320, 512
BANDS, COEFFICIENTS = 40, 10
LOWEST_HZ, HIGHEST_HZ = 20.0, 4000.0
FLOOR = 1e-6
"""Added to the energy of a band before the logarithm."""

Array = NDArray[np.floating[Any]]


def mfcc(audio: Array) -> NDArray[np.float32]:
    """[49, 10] float32 of one second at 16 kHz; the highest sample becomes 1 (the reference takes no magnitude)."""
    loudest = float(audio.max(initial=0.0))
    samples = np.asarray(audio, np.float64) / (loudest or 1.0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::STEP]
    spectrum = np.abs(np.fft.rfft(frames * _window(), POINTS))
    return np.asarray(np.log(spectrum @ _mel() + FLOOR) @ _cosines(), np.float32)


@cache
def _window() -> Array:
    """Hann, periodic."""
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(FRAME) / FRAME))


@cache
def _mel() -> Array:
    """[257, 40] triangles that are even on the mel scale; the constant part of the spectrum counts nowhere."""
    edges = np.linspace(_to_mel(np.asarray(LOWEST_HZ)), _to_mel(np.asarray(HIGHEST_HZ)), BANDS + 2)
    bins = _to_mel(np.linspace(0.0, SAMPLE_RATE / 2.0, POINTS // 2 + 1))[:, None]
    up = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    found = np.maximum(0.0, np.minimum(up, down))
    found[0] = 0.0
    return np.asarray(found)


@cache
def _cosines() -> Array:
    """[40, 10], DCT-II over sqrt(2 x bands)."""
    angles = np.pi * (np.arange(BANDS)[:, None] + 0.5) * np.arange(COEFFICIENTS) / BANDS
    return np.asarray(2.0 * np.cos(angles) / np.sqrt(2.0 * BANDS))


def _to_mel(hertz: Array) -> Array:
    return np.asarray(1127.0 * np.log1p(hertz / 700.0))
