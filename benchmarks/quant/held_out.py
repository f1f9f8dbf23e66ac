"""Inputs that judge quantizers: of the kind that the model meets in use, and never used to calibrate or to tune.

Drawn by a fixed seed from the same recordings and photographs that calibration takes its own rows from: shifted,
stretched, noisy and louder words; pieces of photographs at other places, scales and brightness; a louder machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quant.mfcc import SAMPLE_RATE, mfcc

SEED = 20240229

WORD_VARIANTS, CROPS_PER_SCALE, PHOTO_VARIANTS = 300, 20, 10
"""Of each clip; of each photograph and scale; of each photograph."""

SHIFT_S, STRETCH, WORD_GAIN_DB, NOISE_DB, CLEAN = 0.16, 0.07, 8.0, (5.0, 30.0), 0.4
"""Most that a word comes early or late, is slower or faster, louder or softer; its signal to noise; share without."""

SCALES = (2, 3, 4)
"""Photographs are 224 wide: a piece of 64, 96 or 128 becomes 32."""

LEAST_SIDE, BRIGHTNESS = 0.7, 0.2
"""Least side of a piece of a photograph; most that it is brighter or darker, as shares."""

MACHINE_GAINS_DB = (-3.0, -1.5, 0.0, 1.5, 3.0)

Array = NDArray[np.float32]


def words(folder: Path) -> Array:
    """[1200, 1, 49, 10] MFCCs of the clips: moved, stretched, with white noise, louder or softer."""
    draw = np.random.Generator(np.random.PCG64(SEED))
    with np.load(folder / "wavs.npz") as found:
        clips = found["audio"].astype(np.float64)
    rows = [_word(clip, draw) for clip in clips for _ in range(WORD_VARIANTS)]
    return np.stack(rows)[:, None]


def _word(clip: NDArray[np.float64], draw: np.random.Generator) -> Array:
    shift, speed = draw.uniform(-SHIFT_S, SHIFT_S) * SAMPLE_RATE, 1.0 + draw.uniform(-STRETCH, STRETCH)
    places = (np.arange(len(clip)) - len(clip) / 2) * speed + len(clip) / 2 - shift
    # around the end: padding with zeros would be a silence that no microphone gives
    heard = np.interp(places, np.arange(len(clip)), clip, period=len(clip))
    noise, below = draw.standard_normal(len(clip)), draw.uniform(*NOISE_DB)
    if draw.random() >= CLEAN:
        heard = heard + noise * np.sqrt(np.mean(np.square(heard))) * 10.0 ** (-below / 20.0)
    found = mfcc(heard)
    # a gain adds the same logarithm to all 40 bands: to the first coefficient alone
    found[:, 0] += draw.uniform(-WORD_GAIN_DB, WORD_GAIN_DB) / 20.0 * np.log(10.0) * 2.0 * 40.0 / np.sqrt(80.0)
    return found


def thumbnails(folder: Path) -> Array:
    """[1200, 3, 32, 32] pieces of photographs at a half, a third and a quarter of their size, half of them mirrored."""
    draw = np.random.Generator(np.random.PCG64(SEED))
    rows = []
    for image in _photographs(folder):
        for scale in SCALES:
            for _ in range(CROPS_PER_SCALE):
                top, left = draw.integers(0, len(image) - 32 * scale + 1, 2)
                piece = image[top : top + 32 * scale, left : left + 32 * scale]
                small = piece.reshape(32, scale, 32, scale, 3).mean(axis=(1, 3))
                rows.append(small[:, ::-1] if draw.random() < 0.5 else small)  # noqa: PLR2004
    return np.ascontiguousarray(np.stack(rows).transpose(0, 3, 1, 2).round(), np.float32)


def photographs(folder: Path) -> Array:
    """[200, 3, 224, 224] in [-1, 1]: pieces of photographs, some mirrored, brighter or darker."""
    draw = np.random.Generator(np.random.PCG64(SEED))
    rows = []
    for image in _photographs(folder):
        for _ in range(PHOTO_VARIANTS):
            side = draw.uniform(LEAST_SIDE, 1.0) * (len(image) - 1)
            top, left = draw.uniform(0.0, len(image) - 1 - side, 2)
            piece = _resized(image, top, left, side) * (1.0 + draw.uniform(-BRIGHTNESS, BRIGHTNESS))
            rows.append(piece[:, ::-1] if draw.random() < 0.5 else piece)  # noqa: PLR2004
    pixels = np.stack(rows).round().clip(0.0, 255.0).transpose(0, 3, 1, 2)
    return np.ascontiguousarray((pixels - 127.0) * 0.00784314, np.float32)


def machine_sound(folder: Path) -> Array:
    """[650, 640] windows of five frames that calibration leaves out, louder and softer."""
    with np.load(folder / "one_normal_clip.npz") as found:
        frames = found["frames"]
    windows = np.lib.stride_tricks.sliding_window_view(frames, 5, axis=0).transpose(0, 2, 1).reshape(-1, 640)
    left = windows[np.arange(len(windows)) % 3 != 0]
    return np.ascontiguousarray(np.concatenate([left + gain for gain in MACHINE_GAINS_DB]), np.float32)


def _photographs(folder: Path) -> Array:
    with np.load(folder.parent / "mobilenetv2" / "images.npz") as found:
        return np.asarray(found["x"], np.float32)


def _resized(image: Array, top: float, left: float, side: float) -> NDArray[Any]:
    """A square piece at the image's own size, bilinear."""
    rows, columns = (begin + np.linspace(0.0, side, len(image)) for begin in (top, left))
    (y, dy), (x, dx) = ((at.astype(int).clip(0, len(image) - 2), at) for at in (rows, columns))
    down, right = (dy - y)[:, None, None], (dx - x)[None, :, None]
    above = image[y][:, x] * (1 - right) + image[y][:, x + 1] * right
    below = image[y + 1][:, x] * (1 - right) + image[y + 1][:, x + 1] * right
    return np.asarray(above * (1 - down) + below * down)


HELD_OUT: Mapping[str, Callable[[Path], Array]] = {
    "kws": words,
    "ic": thumbnails,
    "mobilenetv2": photographs,
    "ad": machine_sound,
}
"""By model; each takes the model's folder."""
