from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.metrics.wilson import wilson_interval


@pytest.mark.parametrize(
    ("correct", "samples", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
        pytest.param(81, 263, 0.2553, 0.3662, id="newcombe 81 of 263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="newcombe 15 of 148"),
        pytest.param(0, 20, 0.0000, 0.1611, id="newcombe 0 of 20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="newcombe 1 of 29"),
        pytest.param(20, 20, 0.8389, 1.0000, id="all correct"),
    ],
)
def test_known_intervals(correct: int, samples: int, low: float, high: float) -> None:
    assert wilson_interval(correct, samples) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_observed_share(case: tuple[int, int]) -> None:
    correct, samples = case
    low, high = wilson_interval(correct, samples)
    assert 0.0 <= low <= correct / samples <= high <= 1.0


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(2, 50))
def test_more_samples_narrow_it(correct: int, samples: int, factor: int) -> None:
    correct = min(correct, samples)
    low, high = wilson_interval(correct, samples)
    narrow_low, narrow_high = wilson_interval(correct * factor, samples * factor)
    assert narrow_high - narrow_low < high - low


@pytest.mark.parametrize(("correct", "samples"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts(correct: int, samples: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= correct"):
        wilson_interval(correct, samples)
