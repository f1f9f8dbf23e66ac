"""``docs/bench.md`` names every key of a result, and the minimums that the rules have."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from compiler.mlperf.result import BenchResult, EarlyStopping, Latencies, Machine, ServerFigures, Settings
from compiler.mlperf.scenario import OFFLINE_MIN_SAMPLES, RULES, Scenario

PAGE = (Path(__file__).parents[2] / "docs" / "bench.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("struct", [BenchResult, EarlyStopping, Latencies, Machine, ServerFigures, Settings])
def test_every_key(struct: type[msgspec.Struct]) -> None:
    section = PAGE.partition("## Result\n")[2]
    assert set(struct.__struct_fields__) <= set(re.findall(r"`([a-z0-9_]+)`", section))


@pytest.mark.parametrize("scenario", Scenario)
def test_minimums(scenario: Scenario) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{scenario.value}` |"))
    if scenario is Scenario.OFFLINE:
        assert f"{OFFLINE_MIN_SAMPLES:,}" in row
    else:
        assert f"{RULES[scenario].min_queries} queries" in row
