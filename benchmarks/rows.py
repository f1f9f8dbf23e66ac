"""Figures as rows, written to ``build/bench.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. ``target`` is a bound in the same unit, an upper one but for ``at_least``.

    A skipped figure has no value and says why as unit; a fact, such as a version, has none and is its unit.
    """

    name: str
    value: float | None
    unit: str
    target: float | None
    ok: bool


def figure(name: str, value: float, unit: str, target: float | None = None) -> Row:
    """A measured row; without a target it is always ok."""
    return Row(name=name, value=round(value, 4), unit=unit, target=target, ok=target is None or value <= target)


def at_least(name: str, value: float, unit: str, target: float) -> Row:
    """A measured row whose target is a lower bound."""
    return Row(name=name, value=round(value, 4), unit=unit, target=target, ok=value >= target)


def fact(name: str, text: str) -> Row:
    """What was measured on or with, in words."""
    return Row(name=name, value=None, unit=text, target=None, ok=True)


def skipped(name: str, reason: str) -> Row:
    """A row for something that could not be measured here."""
    return Row(name=name, value=None, unit=f"skipped: {reason}", target=None, ok=True)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as a JSON array, one row a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(msgspec.json.encode(row).decode() for row in rows)
    path.write_text(f"[\n{lines}\n]\n")
