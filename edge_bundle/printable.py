"""Text that others wrote, shown on a terminal."""

from __future__ import annotations


def printable(text: str, *, keep: str = "") -> str:
    """What a terminal shows as it is: a hub's or a file's text must not move the cursor, set colours or turn round.

    Characters in ``keep`` stay; each other one that does not print becomes a blank.
    """
    return "".join(character if character.isprintable() or character in keep else " " for character in text)
