"""Realistic inputs for the models in ``shared/models``: calibration and evaluation data without any labelled set.

The folder holds four spoken words, twenty photographs, one machine's sound and a minute of speech. Shifts, gains, crops
and mirror images of them are what the networks see in use; labels are the float model's own answers, so accuracy reads
as agreement with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = dict[str, NDArray[Any]]
Run: TypeAlias = Callable[[Arrays], Arrays]
"""One inference of the float model: inputs by name to outputs by name."""

FRAME, CONTEXT = 512, 64
"""Samples that Silero VAD takes at 16 kHz, and those of the frame before that stand in front."""

SAMPLE_RATE = 16000


@dataclass(frozen=True)
class Data:
    """Inputs by name, one row per sample; ``calibration`` is empty where the model is not quantized."""

    calibration: Arrays
    evaluation: Arrays


def keyword(folder: Path) -> Data:
    """Four clips as 49 x 10 MFCCs, shifted by up to 8 frames and louder or softer by up to 6 dB.

    A gain adds the same logarithm to every mel band, and so moves only the first coefficient.
    """
    with np.load(folder / "wavs.npz") as found:
        clips = found["mfcc"]
    rows = []
    for shift in range(-8, 9, 2):
        for gain in (-6.0, -3.0, 0.0, 3.0, 6.0):
            moved = np.stack([_shifted(clip, shift) for clip in clips])
            moved[:, :, 0] += np.float32(gain / 20.0 * np.log(10.0) * 2.0 * 40.0 / np.sqrt(80.0))
            rows.append(moved)
    return _split({"input": np.concatenate(rows)[:, None].astype(np.float32)}, every=3)


def thumbnails(folder: Path) -> Data:
    """Photographs as raw RGB of 32 x 32: the whole picture, and crops of it at a third of its size."""
    rows = []
    for image in _photographs(folder.parent / "mobilenetv2").astype(np.float32):
        rows.append(image.reshape(32, 7, 32, 7, 3).mean(axis=(1, 3)))
        third = image[:222, :222].reshape(74, 3, 74, 3, 3).mean(axis=(1, 3))
        rows += [third[y : y + 32, x : x + 32] for y in (0, 20, 42) for x in (0, 20, 42)]
    return _split({"input": np.stack(rows).transpose(0, 3, 1, 2).round().astype(np.float32)}, every=3)


def machine_sound(folder: Path) -> Data:
    """Every window of five frames of one clip, 640 log-mel values each."""
    with np.load(folder / "one_normal_clip.npz") as found:
        frames = found["frames"]
    windows = np.lib.stride_tricks.sliding_window_view(frames, 5, axis=0).transpose(0, 2, 1)
    return _split({"input": np.ascontiguousarray(windows).reshape(len(windows), -1).astype(np.float32)}, every=3)


def photographs(folder: Path) -> Data:
    """Twenty photographs of 224 x 224, evaluated as they are; their mirror images calibrate."""
    images = (_photographs(folder).astype(np.float32) - 127.0) * np.float32(0.00784314)
    rows = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return Data(calibration={"input": np.ascontiguousarray(rows[..., ::-1])}, evaluation={"input": rows})


def speech(folder: Path, run: Run, *, frames: int = 96) -> Data:
    """Frames of a recording with the state that the float model carries into them."""
    with np.load(folder / "test_ref.npz") as found:
        audio = found["audio"].astype(np.float32) / 32768.0
    state = np.zeros((2, 1, 128), np.float32)
    context = np.zeros(CONTEXT, np.float32)
    rows: dict[str, list[NDArray[Any]]] = {"input": [], "state": [], "sr": []}
    for index in range(frames):
        frame = audio[index * FRAME : (index + 1) * FRAME]
        row: Arrays = {
            "input": np.concatenate([context, frame])[None],
            "state": state,
            "sr": np.asarray(SAMPLE_RATE, np.int64),
        }
        for name, value in row.items():
            rows[name].append(value)
        state, context = run(row)["stateN"], frame[-CONTEXT:]
    joined: Arrays = {name: np.stack(values) for name, values in rows.items()}
    joined["input"] = joined["input"][:, 0]
    return _split(joined, every=3)


def _photographs(folder: Path) -> NDArray[np.uint8]:
    with np.load(folder / "images.npz") as found:
        images: NDArray[np.uint8] = found["x"]
    return images


def _shifted(clip: NDArray[Any], frames: int) -> NDArray[Any]:
    """The clip later (or earlier) by some frames; its first (or last) frame fills the gap."""
    index = np.clip(np.arange(len(clip)) - frames, 0, len(clip) - 1)
    return clip[index].copy()


def _split(arrays: Mapping[str, NDArray[Any]], *, every: int) -> Data:
    """Each ``every``-th row calibrates, the others evaluate."""
    chosen = np.arange(len(next(iter(arrays.values())))) % every == 0
    return Data(
        calibration={name: array[chosen] for name, array in arrays.items()},
        evaluation={name: array[~chosen] for name, array in arrays.items()},
    )
