"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a head that ends with ``#`` is aligned to the right."""
    rule = "|".join("---:" if head.endswith("#") else "---" for head in heads)
    lines = [_line([head.removesuffix("#") for head in heads]), f"|{rule}|"]
    return "\n".join([*lines, *(_line([_cell(cell) for cell in row]) for row in rows)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
