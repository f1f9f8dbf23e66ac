"""Texts from elsewhere, made fit for the agent's own messages."""

from __future__ import annotations


def carried(text: str, *, max_chars: int) -> str:
    """The beginning of a text as JSON can carry it: halves of characters (lone surrogates) become question marks."""
    return text[:max_chars].encode(errors="replace").decode()


def one_line(text: str, *, max_chars: int) -> str:
    """The beginning of a text with every control character, or half of one, as a blank."""
    return "".join(char if char.isprintable() else " " for char in text[:max_chars])
