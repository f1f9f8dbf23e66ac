"""``docs/cli.md`` is the help of every command, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "run `make docs`"


def test_no_help_is_cut_off_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skerry.reference.WIDTH", 80)
    cut = [line for line in reference().splitlines() if line.endswith("...") and not line.startswith("Usage: ")]
    assert cut == []
