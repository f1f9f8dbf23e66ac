"""``docs/litert.md`` says what the code does."""

from __future__ import annotations

import pytest

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")

from benchmarks.docs.litert import operator_table
from benchmarks.docs.measured import LITERT_FILES
from benchmarks.docs.page import LITERT_PAGE, part_of

PAGE = LITERT_PAGE.read_text(encoding="utf-8")


def test_the_operator_table_is_current() -> None:
    assert part_of(PAGE, "operators") == operator_table(), "run `make docs`"


@pytest.mark.parametrize("name", LITERT_FILES)
def test_figures_are_there(name: str) -> None:
    assert part_of(PAGE, name).count("|") > 10
