"""What the demo claims: each line is checked when it is made, and the demo fails if any does not hold."""

from __future__ import annotations

import msgspec


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One statement: what was expected, what was found, and whether they agree."""

    act: int
    name: str
    expected: str
    found: str
    ok: bool


def equal(act: int, name: str, expected: object, found: object) -> Claim:
    """The claim that two values are the same."""
    return Claim(act=act, name=name, expected=str(expected), found=str(found), ok=expected == found)


def holds(act: int, name: str, ok: bool, found: str, *, expected: str) -> Claim:
    """A claim that was judged by its own rule."""
    return Claim(act=act, name=name, expected=expected, found=found, ok=ok)
