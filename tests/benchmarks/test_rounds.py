"""The round runner: turns, medians and the interval of the ratio."""

from __future__ import annotations

import itertools
import random

import pytest

from benchmarks.rounds import Sample, Segment, median, ratio, run_rounds


def _recorded(name: str, values: list[float], order: list[str]) -> Segment:
    left = iter(values)

    def segment() -> Sample:
        order.append(name)
        value = next(left)
        return Sample(wall_us=value, cpu_us=2 * value)

    return segment


def test_subjects_take_turns_and_the_warm_up_does_not_count() -> None:
    order: list[str] = []
    steps = itertools.count()
    subjects = (
        _recorded("a", [999.0, 1.0, 2.0, 9.0], order),
        _recorded("b", [999.0, 3.0, 4.0, 27.0], order),
    )
    a, b = run_rounds(subjects, rounds=3, advance=lambda: order.append(str(next(steps))))
    assert order == ["a", "0", "b", "1", "a", "2", "b", "3", "a", "4", "b", "5", "a", "6", "b", "7"]
    assert (median(a), median(b)) == (Sample(2.0, 4.0), Sample(4.0, 8.0))
    assert ratio([s.cpu_us for s in a], [s.cpu_us for s in b], random.Random(1)).value == 3.0


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        pytest.param([1.0], [2.0], 2.0, id="one-pair"),
        pytest.param([1.0, 10.0, 5.0], [2.0, 20.0, 10.0], 2.0, id="drift-cancels"),
        pytest.param([1.0, 1.0, 1.0], [2.0, 2.0, 500.0], 2.0, id="outlier"),
    ],
)
def test_ratio_is_the_median_of_pairs(a: list[float], b: list[float], value: float) -> None:
    got = ratio(a, b, random.Random(1))
    assert got.value == value
    assert got.low <= value <= got.high


def test_interval_is_repeatable_and_covers_a_known_ratio() -> None:
    rng = random.Random(7)
    covered = 0
    for _ in range(40):
        a = [rng.uniform(0.9, 1.1) for _ in range(15)]
        b = [3 * rng.uniform(0.9, 1.1) for _ in range(15)]
        got = ratio(a, b, random.Random(1))
        assert got == ratio(a, b, random.Random(1))
        covered += got.low <= 3 <= got.high
    assert covered >= 34


def test_unequal_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0], random.Random(1))
