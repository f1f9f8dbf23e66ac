"""Numbers from a command line that no run could have: told at once, and not after the memory is full."""

from __future__ import annotations

import math

import pytest

from compiler.mlperf.arrivals import poisson
from compiler.mlperf.measure import Options
from compiler.mlperf.scenario import NS_PER_S, Scenario
from edge_bundle.errors import InvalidInputError, LimitExceededError


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["duration_s", "target_latency_ms", "target_qps"])
def test_what_is_no_number(name: str, value: float) -> None:
    key = name.replace("_", "-").removesuffix("-s")
    with pytest.raises(InvalidInputError, match=f"bench: {key}: expected a finite number, got {value}"):
        Options(scenario=Scenario.SERVER, **{name: value})  # type: ignore[arg-type]


RATES = {
    "a flood": (1e12, 1, NS_PER_S, "at most 20000000 queries"),
    "for days": (1e5, 1, 86_400 * NS_PER_S, "at most 20000000 queries"),
    "hardly ever": (1e-300, 1, 0, "at most 604800.0 seconds"),
    "with many queries": (1.0, 10_000_000, 0, "at most 604800.0 seconds"),
}


@pytest.mark.parametrize("name", RATES)
def test_schedules_without_an_end(name: str) -> None:
    rate, queries, duration_ns, limit = RATES[name]
    with pytest.raises(LimitExceededError, match=limit) as refusal:
        poisson(rate, queries=queries, duration_ns=duration_ns, seed=0)
    assert refusal.value.advice
