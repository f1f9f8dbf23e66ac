"""Rows of ``bench.json``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.rows import Row, figure, skipped, write_rows


@pytest.mark.parametrize(
    ("row", "want"),
    [
        pytest.param(
            figure("a", 9.99996, "us", 10.0),
            {"name": "a", "value": 10.0, "unit": "us", "target": 10.0, "ok": True},
            id="met",
        ),
        pytest.param(
            figure("a", 11.0, "us", 10.0),
            {"name": "a", "value": 11.0, "unit": "us", "target": 10.0, "ok": False},
            id="missed",
        ),
        pytest.param(
            figure("a", 1.0, "us"), {"name": "a", "value": 1.0, "unit": "us", "target": None, "ok": True}, id="free"
        ),
        pytest.param(
            skipped("a", "no model"),
            {"name": "a", "value": None, "unit": "skipped: no model", "target": None, "ok": True},
            id="skipped",
        ),
    ],
)
def test_rows_have_five_members(row: Row, want: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    write_rows([row, row], path)
    assert json.loads(path.read_text()) == [want, want]


def test_a_target_is_judged_before_rounding() -> None:
    assert not figure("a", 10.00001, "us", 10.0).ok


def test_no_rows_are_an_empty_array(tmp_path: Path) -> None:
    write_rows([], tmp_path / "bench.json")
    assert json.loads((tmp_path / "bench.json").read_text()) == []
