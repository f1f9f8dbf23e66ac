"""``docs/cli.md`` is the help of every command, word for word."""

from __future__ import annotations

from pathlib import Path

from skerry.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "run `make docs`"
