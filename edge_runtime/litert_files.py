"""What the files of a LiteRT variant are called: one model for each batch size."""

from __future__ import annotations

import re

MODEL_SUFFIX = ".tflite"

_BATCH_FILE = re.compile(r"b([1-9][0-9]{0,3})\.tflite", re.ASCII)


def model_file(batch: int) -> str:
    """Name of the model of one batch size."""
    return f"b{batch}{MODEL_SUFFIX}"


def batch_of(name: str) -> int | None:
    """The batch size that a model's name says, or ``None`` for any other name."""
    found = _BATCH_FILE.fullmatch(name)
    return int(found[1]) if found else None
