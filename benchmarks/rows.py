"""Figures as rows, written to ``build/bench.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. ``target`` is an upper bound in the same unit; a skipped figure has no value and says why as unit."""

    name: str
    value: float | None
    unit: str
    target: float | None
    ok: bool


def figure(name: str, value: float, unit: str, target: float | None = None) -> Row:
    """A measured row; without a target it is always ok."""
    return Row(name=name, value=round(value, 4), unit=unit, target=target, ok=target is None or value <= target)


def skipped(name: str, reason: str) -> Row:
    """A row for something that could not be measured here."""
    return Row(name=name, value=None, unit=f"skipped: {reason}", target=None, ok=True)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as a JSON array, one row a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(msgspec.json.encode(row).decode() for row in rows)
    path.write_text(f"[\n{lines}\n]\n")
