"""The search for devices alone, against worlds whose every mix is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.accuracy_control.few_trials import MAX_TRIALS, few_trials
from compiler.accuracy_control.search import Found
from compiler.accuracy_control.trial import Trial
from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof

BEFORE = frozenset({"before"})
"""Kept by the graph that the scheme's profiles share."""


class Device:
    """Misses the contract by a rule; its tools refuse mixes that keep more than ``takes`` layers."""

    def __init__(self, shortfall: Callable[[int], float], takes: int = 1000) -> None:
        self.shortfall, self.takes = shortfall, takes
        self.counts: list[int] = []

    def __call__(self, kept: frozenset[str]) -> Trial | None:
        assert kept >= BEFORE
        count = len(kept - BEFORE)
        assert kept - BEFORE == {f"layer{index}" for index in range(count)}
        self.counts.append(count)
        return None if count > self.takes else self.trial(count, kept)

    def trial(self, count: int, kept: frozenset[str]) -> Trial:
        proof = AccuracyProof(metric=Metric.TOP1, samples=1, value=0.0, low=0.0, high=0.0)
        return Trial(kept=kept, accuracy=proof, shortfall=self.shortfall(count))

    def search(self, layers: int, most: int | None = None) -> Found:
        order = [f"layer{index}" for index in range(layers)]
        found = few_trials(self.trial(0, BEFORE), order, self, most=layers if most is None else most)
        assert found.trials == len(self.counts) == len(set(self.counts)) <= MAX_TRIALS
        assert found.declined == sum(count > self.takes for count in self.counts)
        assert not found.freed
        return found


def _from(count: int) -> Callable[[int], float]:
    return lambda kept: float(max(count - kept, 0))


@pytest.mark.parametrize(
    ("layers", "needed", "takes", "counts"),
    [
        pytest.param(10, 1, 10, [1], id="the worst layer alone"),
        pytest.param(10, 3, 10, [1, 4, 2, 3], id="three of ten"),
        pytest.param(10, 9, 10, [1, 4, 10, 7, 8, 9], id="nine of ten"),
        pytest.param(10, 5, 7, [1, 4, 10, 7, 5], id="the tools refuse ten"),
        pytest.param(10, 5, 5, [1, 4, 10, 7, 5], id="the tools refuse more than are needed"),
        pytest.param(1, 1, 1, [1], id="one layer"),
    ],
)
def test_the_smallest_count_that_holds(layers: int, needed: int, takes: int, counts: list[int]) -> None:
    device = Device(_from(needed), takes)
    found = device.search(layers)
    assert found.best.holds
    assert len(found.best.kept - BEFORE) == needed
    assert device.counts == counts
    told = {f"layer{needed - 1}"} if needed - 1 in {0, *counts} else set()
    assert set(found.without) == told
    assert all(not trial.holds for trial in found.without.values())


def test_trials_end_the_search_with_what_holds() -> None:
    device = Device(_from(150))
    found = device.search(400)
    assert found.best.holds
    assert (found.trials, len(found.best.kept - BEFORE)) == (MAX_TRIALS, 160)


@pytest.mark.parametrize(
    ("takes", "most", "counts", "best"),
    [
        pytest.param(53, 53, [1, 4, 16, 53], 16, id="nothing helps, and much makes it worse"),
        pytest.param(53, 52, [1, 4, 16, 52], 16, id="one has to stay quantized"),
        pytest.param(5, 53, [1, 4, 16, 10, 7, 5, 6], 5, id="the tools refuse most"),
        pytest.param(0, 53, [1], 0, id="the tools refuse every mix"),
        pytest.param(53, 0, [], 0, id="nothing may be kept"),
    ],
)
def test_the_nearest_is_told(takes: int, most: int, counts: list[int], best: int) -> None:
    device = Device(lambda kept: 1.0 + abs(kept - 16), takes)
    found = device.search(53, most)
    assert not found.best.holds
    assert device.counts == counts
    assert len(found.best.kept - BEFORE) == best


@settings(deadline=None)
@given(st.lists(st.sampled_from([None, -1.0, 1.0]), min_size=1, max_size=40))
def test_any_device_comes_to_an_end(outcomes: list[float | None]) -> None:
    """Whatever order there is between mixes, what is given is a mix that was tried, and it is said truly if it holds."""
    tried: dict[frozenset[str], Trial] = {}

    def attempt(kept: frozenset[str]) -> Trial | None:
        outcome = outcomes[len(kept) - 1]
        if outcome is None:
            return None
        return tried.setdefault(kept, Device(lambda _: outcome).trial(len(kept), kept))

    first = Device(lambda _: 1.0).trial(0, frozenset())
    order = [f"layer{index}" for index in range(len(outcomes))]
    found = few_trials(first, order, attempt, most=len(order))
    assert found.best in (first, *tried.values())
    assert found.best.holds or not any(trial.holds for trial in tried.values())
    assert found.trials <= MAX_TRIALS
