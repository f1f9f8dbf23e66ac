"""Distributions in bounded memory, and the ranges that come of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compiler.quantization.affine import affine_of
from compiler.quantization.histogram import BINS, MAX_VALUES, Distribution, Histogram
from compiler.quantization.ranges import MIN_MAX, MSE, candidates, histogram_error
from hardware_profiles.schema import Activations

RULE = partial(affine_of, activations=Activations.UINT8)


def seen(*samples: NDArray[np.float32]) -> Distribution:
    histogram = Histogram()
    for sample in samples:
        histogram.add(sample)
    return histogram.result()


def normal(scale: float = 1.0, count: int = 4000) -> NDArray[np.float32]:
    return (np.random.default_rng(1).normal(size=count) * scale).astype(np.float32)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60))
def test_all_values_are_counted_between_the_ends(values: list[float]) -> None:
    array = np.array(values, np.float32)
    found = seen(*array.reshape(-1, 1))
    assert (found.low, found.high) == (array.min(), array.max())
    assert found.counts.sum() == len(values)
    assert found.reach >= max(-found.low, found.high)


def test_samples_of_growing_range_count_as_one() -> None:
    parts = [normal(scale) for scale in (0.01, 1.0, 100.0)]
    whole, split = seen(np.concatenate(parts)), seen(*parts)
    assert whole.reach == split.reach
    np.testing.assert_allclose(whole.counts, split.counts, atol=20)  # edges of bins round otherwise


def test_a_huge_sample_is_thinned_but_its_ends_are_seen() -> None:
    values = np.zeros(3 * MAX_VALUES, np.float32)
    values[1], values[2] = -3.0, 7.0
    found = seen(values)
    assert (found.low, found.high) == (-3.0, 7.0)
    assert found.counts.sum() <= MAX_VALUES


def test_peaks_by_channel() -> None:
    array = np.zeros((1, 3, 2, 2), np.float32)
    array[0, 1, 0, 0], array[0, 2, 1, 1] = -5.0, 4.0
    np.testing.assert_array_equal(seen(array, (array / 2).astype(np.float32)).channel_peaks, [0.0, 5.0, 4.0])


@pytest.mark.parametrize("power", [1, 2, 3])
def test_candidates_lie_within_what_was_seen(power: int) -> None:
    found = seen(np.asarray(normal() ** power, np.float32))
    for low, high in candidates(found, RULE).values():
        assert found.low <= low <= high <= found.high


def test_mse_is_the_least_of_all_on_its_own_histogram() -> None:
    found = seen(np.concatenate([normal(), np.full(1, 30.0, np.float32)]))
    errors = {name: histogram_error(found, RULE(*one)) for name, one in candidates(found, RULE).items()}
    assert min(errors, key=errors.__getitem__) == MSE
    assert errors[MSE] < errors[MIN_MAX]


def test_a_constant_tensor_has_one_range() -> None:
    assert candidates(seen(np.full(9, 0.5, np.float32)), RULE) == {MIN_MAX: (0.5, 0.5)}


def test_percentiles_cut_outliers() -> None:
    values = np.concatenate([normal(count=200_000), np.array([1000.0], np.float32)])
    found = candidates(seen(values[:MAX_VALUES], values[MAX_VALUES:]), RULE)
    assert found["percentile 99.99"][1] < 10.0
    assert found["percentile 99.9"][1] <= found["percentile 99.99"][1]
    assert len(seen(values).counts) == BINS
