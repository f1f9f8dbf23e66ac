"""The benchmark of an agent's start and of its memory: a real hub and a real agent, started once."""

from __future__ import annotations

import os

from benchmarks.agent_start import Start, measure_starts, resident_mib, start_rows


def test_an_agent_is_started_and_answers() -> None:
    steps: list[None] = []
    (found,) = measure_starts(1, lambda: steps.append(None), rest_s=0.0)
    assert len(steps) == 1
    assert found.first_answer_s > 0
    assert found.idle_mib > 1


def test_rows_are_medians_with_their_goals() -> None:
    rows = start_rows([Start(0.3, 61.0), Start(0.2, 50.0), Start(0.9, 55.0)])
    assert [(row.name, row.value, row.unit, row.target, row.ok) for row in rows] == [
        ("agent.wasm.first_answer", 0.3, "s", 0.6, True),
        ("agent.wasm.idle_rss", 55.0, "MiB", 60.0, True),
    ]


def test_resident_memory_of_this_process() -> None:
    assert resident_mib(os.getpid()) > 1
