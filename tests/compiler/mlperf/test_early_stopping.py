from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.mlperf.early_stopping import (
    CONFIDENCE,
    Estimate,
    estimate,
    min_queries,
    over_allowed,
    queries_needed,
)
from compiler.mlperf.scenario import RULES, Scenario


@pytest.mark.parametrize(("percentile", "queries"), [(0.90, 64), (0.99, 662), (0.999, 6636)])
def test_minimums_of_mlperf(percentile: float, queries: int) -> None:
    assert min_queries(percentile) == queries


@pytest.mark.parametrize("scenario", [Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.SERVER])
def test_the_table_of_rules_has_them(scenario: Scenario) -> None:
    rules = RULES[scenario]
    assert rules.min_queries == min_queries(rules.percentile)


@pytest.mark.parametrize(
    ("queries", "discarded"),
    [
        pytest.param(64, 0, id="the fewest"),
        pytest.param(100, 2, id="in a published log of LoadGen"),
        pytest.param(201, 9, id="in another one"),
    ],
)
def test_discarded_as_in_logs_of_loadgen(queries: int, discarded: int) -> None:
    """Summaries of LoadGen say "Would discard N highest latency queries" at the 90th percentile."""
    found = estimate([float(value) for value in range(queries)], 0.90)
    assert found == Estimate(float(queries - discarded - 1), discarded)


def test_too_few_for_an_estimate() -> None:
    assert estimate([1.0] * 63, 0.90) is None
    assert estimate([], 0.99) is None


def test_no_query_over_needs_fewer() -> None:
    """``log(0.01) / log(0.99)`` is 458.2."""
    assert queries_needed(0, 0.99) == 459
    assert over_allowed(458, 0.99) == -1
    assert over_allowed(459, 0.99) == 0


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.sampled_from([Fraction(9, 10), Fraction(99, 100), Fraction(1, 2)]))
def test_against_the_exact_sum(queries: int, percentile: Fraction) -> None:
    """Binomial probabilities in whole numbers."""

    def tail(over: int) -> Fraction:
        return sum(
            (comb(queries, x) * percentile ** (queries - x) * (1 - percentile) ** x for x in range(over + 1)),
            Fraction(0),
        )

    allowed = over_allowed(queries, float(percentile))
    assert allowed == -1 or float(tail(allowed)) < 1 - CONFIDENCE
    assert float(tail(allowed + 1)) >= 1 - CONFIDENCE


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 3000), st.sampled_from([0.9, 0.99]))
def test_needed_and_allowed_are_inverse(over: int, percentile: float) -> None:
    needed = queries_needed(over, percentile)
    assert over_allowed(needed, percentile) >= over
    assert over_allowed(needed - 1, percentile) < over


def test_millions_of_queries() -> None:
    allowed = over_allowed(10_000_000, 0.90)
    assert 0.997 < allowed / 1_000_000 < 0.999
