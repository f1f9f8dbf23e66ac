"""Texts from elsewhere, made fit for the agent's own messages."""

from __future__ import annotations

import re

_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def carried(text: str, *, max_chars: int) -> str:
    """The beginning of a text as ``edge_bundle.messages.Detail``.

    Control characters (but line ends and tabs) and halves of characters, which JSON cannot carry, become question
    marks.
    """
    return _UNFIT.sub("?", text[:max_chars]).rstrip("\n")


def one_line(text: str, *, max_chars: int) -> str:
    """The beginning of a text with every control character, or half of one, as a blank."""
    return "".join(char if char.isprintable() else " " for char in text[:max_chars])
