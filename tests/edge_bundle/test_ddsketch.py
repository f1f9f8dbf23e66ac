"""DDSketch: the error bound, merging, and the bound on its size."""

from __future__ import annotations

import math
import random

import msgspec
import pytest

from edge_bundle.ddsketch import MAX_BINS, RELATIVE_ERROR, Sketch


def filled(values: list[float]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


VALUES = [random.Random(7).lognormvariate(5, 2) for _ in range(5000)]


@pytest.mark.parametrize("q", [0.0, 0.01, 0.5, 0.9, 0.99, 1.0])
def test_quantiles_keep_the_relative_error(q: float) -> None:
    want = sorted(VALUES)[math.floor(q * (len(VALUES) - 1))]
    assert filled(VALUES).quantile(q) == pytest.approx(want, rel=RELATIVE_ERROR * 1.0001)


def test_merging_equals_one_sketch_of_both_streams() -> None:
    merged = filled(VALUES[:2000])
    merged.merge(filled(VALUES[2000:]))
    whole = filled(VALUES)
    assert merged.bins == whole.bins
    assert (merged.count, merged.smallest, merged.largest) == (whole.count, whole.smallest, whole.largest)
    assert merged.total == pytest.approx(whole.total)


def test_values_that_are_not_positive_are_counted_as_zeros() -> None:
    sketch = filled([0.0, -1.0, 5.0])
    assert (sketch.zeros, sketch.count, sketch.quantile(0.0)) == (2, 3, 0.0)
    assert sketch.quantile(1.0) == pytest.approx(5.0, rel=RELATIVE_ERROR)


def test_empty_sketch_has_no_quantile() -> None:
    assert math.isnan(Sketch().quantile(0.5))


def test_size_is_bounded_and_the_top_keeps_its_bound() -> None:
    low = Sketch(bins=dict.fromkeys(range(-3000, -3000 + MAX_BINS), 1), count=MAX_BINS)
    high = Sketch(bins=dict.fromkeys(range(MAX_BINS), 1), count=MAX_BINS)
    top = high.quantile(1.0)
    low.merge(high)
    assert (len(low.bins), sum(low.bins.values()), low.count) == (MAX_BINS, 2 * MAX_BINS, 2 * MAX_BINS)
    assert low.quantile(1.0) == top
    assert low.quantile(0.51) == pytest.approx(high.quantile(0.02), rel=0.05)


@pytest.mark.parametrize("value", [5e-324, 1e-300, 1e300, 1.7976931348623157e308])
def test_extreme_values_do_not_overflow(value: float) -> None:
    assert filled([value]).quantile(0.5) == pytest.approx(value, rel=0.02, abs=1e-320)


def test_wire_round_trip() -> None:
    sketch = filled(VALUES[:100])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(sketch), type=Sketch) == sketch
