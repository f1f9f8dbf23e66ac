"""A page with generated parts, each between two markers that Markdown does not show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "wasm.md"
TARGETS_PAGE = DOCS / "targets.md"
LITERT_PAGE = DOCS / "litert.md"
QUANTIZATION_PAGE = DOCS / "quantization.md"


def with_parts(page: str, parts: Mapping[str, str]) -> str:
    """The page with the text of each part (by name) put between its markers.

    Raises ``ValueError`` for a part whose markers the page does not have, once each and in order.
    """
    for name, text in parts.items():
        before, inner, after = _split(page, name)
        page = "".join((before, inner[0], text.strip("\n"), "\n", inner[1], after))
    return page


def part_of(page: str, name: str) -> str:
    """What stands between the markers of a part."""
    before, inner, after = _split(page, name)
    return page[len(before) + len(inner[0]) : len(page) - len(after) - len(inner[1])]


def _split(page: str, name: str) -> tuple[str, tuple[str, str], str]:
    """The text before, the two markers, and the text behind."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or begin in rest:
        raise ValueError(f"expected the markers of part {name!r} once, got none, one or several")
    return before, (begin, end), after
