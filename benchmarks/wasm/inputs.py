"""Natural inputs of the real models, cut from the recordings and photographs beside them; always the same ones.

Every input is a batch of one, as ONNX input name -> array.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ort_rewrite import open_session, session_options

Inputs = dict[str, NDArray[Any]]

SHIFTS = (-6, -3, -1, 0, 1, 3, 6)
"""Frames of 20 ms by which a clip is moved."""

GAINS_LOG = (-4.0, -1.5, 0.0, 1.5, 4.0)
"""Offsets of the first cepstral coefficient: a gain changes every log-mel band, so only coefficient 0 moves."""

CROP = 32
CROPS_OF_IMAGE = 13
"""Crops along each image's diagonal, 16 pixels apart."""

AD_WINDOW, AD_BINS = 5, 128
SILERO_CONTEXT, SILERO_STEP, SILERO_FRAMES = 64, 512, 96
"""Samples kept from the frame before, new samples of a frame, and frames used (3 s, with speech and without)."""


def kws_inputs(folder: Path, _model: bytes) -> tuple[Inputs, ...]:
    """Four clips as 49 frames of 10 MFCCs, moved in time and made louder and softer; [1, 1, 49, 10]."""
    clips = np.load(folder / "wavs.npz")["mfcc"]
    return tuple(
        {"input": _louder(np.roll(clip, shift, axis=0), gain)[None, None]}
        for gain in GAINS_LOG
        for shift in SHIFTS
        for clip in clips
    )


def _louder(clip: NDArray[Any], gain: float) -> NDArray[Any]:
    changed = clip.copy()
    changed[:, 0] += np.float32(gain)
    return changed


def ic_inputs(folder: Path, _model: bytes) -> tuple[Inputs, ...]:
    """Crops of photographs, 32 x 32 pixels, raw values 0 to 255; [1, 3, 32, 32]."""
    images = np.load(folder.parent / "mobilenetv2" / "images.npz")["x"]
    return tuple(
        {"input": _planar(image[at : at + CROP, at : at + CROP].astype(np.float32))}
        for at in range(0, CROPS_OF_IMAGE * CROP // 2, CROP // 2)
        for image in images
    )


def ad_inputs(folder: Path, _model: bytes) -> tuple[Inputs, ...]:
    """Every window of five log-mel frames of one clip; [1, 640]."""
    frames = np.load(folder / "one_normal_clip.npz")["frames"]
    starts = range(len(frames) - AD_WINDOW + 1)
    order = np.random.PCG64(0).random_raw(len(starts)).argsort(kind="stable")
    return tuple({"input": frames[at : at + AD_WINDOW].reshape(1, AD_WINDOW * AD_BINS).copy()} for at in order)


def mobilenetv2_inputs(folder: Path, _model: bytes) -> tuple[Inputs, ...]:
    """Twenty photographs, (pixel - 127) * 0.00784314; [1, 3, 224, 224]."""
    images = np.load(folder / "images.npz")["x"]
    return tuple({"input": _planar((image.astype(np.float32) - 127) * np.float32(0.00784314))} for image in images)


def silero_inputs(folder: Path, model: bytes) -> tuple[Inputs, ...]:
    """Frames of speech, each with the state that ONNX Runtime gave after the frame before; [1, 576] and [2, 1, 128]."""
    session = open_session(model, session_options(), stage="inputs")
    audio = np.load(folder / "test_ref.npz")["audio"].astype(np.float32) / np.float32(32768)
    padded = np.concatenate([np.zeros(SILERO_CONTEXT, dtype=np.float32), audio])
    state: NDArray[Any] = np.zeros((2, 1, 128), dtype=np.float32)
    rows = []
    for frame in range(SILERO_FRAMES):
        at = frame * SILERO_STEP
        row = {"input": padded[at : at + SILERO_CONTEXT + SILERO_STEP][None].copy(), "state": state}
        rows.append(row)
        state = session.run(["stateN"], {**row, "sr": np.array(16000, dtype=np.int64)})[0]
    return tuple(rows)


def _planar(image: NDArray[Any]) -> NDArray[Any]:
    """[height, width, channels] to [1, channels, height, width]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])
