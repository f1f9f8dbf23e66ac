"""Foreign error texts (multi-line, unbounded) brought to one short line for our own errors."""

from __future__ import annotations

MAX_DETAIL_CHARS = 400
"""Longest foreign text repeated in an error: enough for onnx's and ONNX Runtime's first sentence with a node name."""


def one_line(error: object) -> str:
    """The text of ``error`` with white space collapsed, cut after ``MAX_DETAIL_CHARS``."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_DETAIL_CHARS else text[: MAX_DETAIL_CHARS - 3] + "..."
