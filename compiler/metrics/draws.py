"""Random draws that every version of numpy repeats: the raw PCG64 stream, which numpy promises to keep."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SEED = 20_250_101
"""Of every stream here: the same samples give the same interval, always."""

CHUNK = 1 << 22
"""Most draws held at once, in numbers: 32 MiB of them."""

_HALF = np.uint64(32)
"""Bits that are dropped; the bias of the rest is below ``samples / 2**32``."""

_BITS = 64
"""Signs in one raw draw."""


def resamples(samples: int, replicates: int, *, seed: int = SEED) -> Iterator[NDArray[np.int64]]:
    """``replicates`` rows of ``samples`` indices drawn with replacement, in chunks of rows [rows, samples]."""
    stream = np.random.PCG64(seed)
    for rows in _chunks(samples, replicates):
        raw = np.asarray(stream.random_raw(rows * samples)).reshape(rows, samples)
        yield (((raw >> _HALF) * np.uint64(samples)) >> _HALF).astype(np.int64)


def signs(samples: int, replicates: int, *, seed: int = SEED) -> Iterator[NDArray[np.float64]]:
    """``replicates`` rows of ``samples`` signs, +1 or -1, in chunks of rows [rows, samples]."""
    stream = np.random.PCG64(seed)
    words = -(-samples // _BITS)
    for rows in _chunks(samples, replicates):
        raw = np.asarray(stream.random_raw(rows * words), dtype="<u8").reshape(rows, words)
        bits = np.unpackbits(raw.view(np.uint8), axis=1, count=samples)
        yield bits.astype(np.float64) * 2.0 - 1.0


def _chunks(samples: int, replicates: int) -> Iterator[int]:
    rows = max(1, CHUNK // samples)
    for start in range(0, replicates, rows):
        yield min(rows, replicates - start)
