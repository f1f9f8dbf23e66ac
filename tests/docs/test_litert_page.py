"""``docs/litert.md`` says what the code does."""

from __future__ import annotations

import pytest

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")

from benchmarks.docs.page import part_of
from benchmarks.litert.page import OPERATORS, PAGE, operator_table


def test_the_operator_table_is_current() -> None:
    """``python -m benchmarks.litert --docs`` writes it anew."""
    assert part_of(PAGE.read_text(), OPERATORS).strip() == operator_table()


@pytest.mark.parametrize("name", ["agreement", "speed", "steps"])
def test_figures_are_there(name: str) -> None:
    assert part_of(PAGE.read_text(), name).count("|") > 10
