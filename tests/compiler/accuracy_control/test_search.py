"""The search alone, against worlds whose every mix is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.accuracy_control.search import MAX_TRIALS, Search
from compiler.accuracy_control.trial import Trial
from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof

LAYERS = [f"layer{i:02d}" for i in range(40)]
Holds = Callable[[frozenset[str]], float]


class World:
    """Every mix's shortfall by a rule; counts how often it was asked."""

    def __init__(self, shortfall: Holds) -> None:
        self.shortfall, self.asked = shortfall, [frozenset[str]()]

    def __call__(self, kept: frozenset[str]) -> Trial:
        assert kept not in self.asked
        self.asked.append(kept)
        return self.trial(kept)

    def trial(self, kept: frozenset[str]) -> Trial:
        proof = AccuracyProof(metric=Metric.TOP1, samples=1, value=0.0, low=0.0, high=0.0)
        return Trial(kept=kept, accuracy=proof, shortfall=self.shortfall(kept))


def _needs(*names: str) -> Holds:
    return lambda kept: float(len(set(names) - kept))


def _run(world: World, order: list[str], most: int | None = None) -> tuple[frozenset[str], Any]:
    found = Search(world.trial(frozenset()), order, world, most=len(order) if most is None else most).run()
    assert found.trials == len(world.asked) - 1
    return found.best.kept, found


@pytest.mark.parametrize(
    ("needed", "trials"),
    [
        pytest.param(LAYERS[:1], 1, id="the worst layer alone"),
        pytest.param(LAYERS[:3], 8, id="the three worst"),
        pytest.param(LAYERS[6:7], 12, id="one that is ranked seventh"),
        pytest.param([LAYERS[0], LAYERS[9]], 22, id="two that are far apart"),
        pytest.param(LAYERS[39:], 22, id="the least suspicious"),
    ],
)
def test_exactly_what_is_needed(needed: list[str], trials: int) -> None:
    world = World(_needs(*needed))
    kept, found = _run(world, LAYERS)
    assert kept == set(needed)
    assert set(found.without) == kept or len(kept) == 1
    assert all(trial.shortfall > 0 for trial in found.without.values())
    assert found.trials <= trials
    assert found.freed.isdisjoint(kept)


def test_nothing_helps() -> None:
    """The nearest mix is told: here five layers bring most, and more make it worse again."""
    world = World(lambda kept: 1.0 + abs(len(kept) - 4))
    kept, found = _run(world, LAYERS)
    assert len(kept) == 4
    assert found.best.shortfall == 1.0
    assert not found.best.holds
    assert world.asked[-1] == set(LAYERS)


@pytest.mark.parametrize("most", [0, 1, 5, 39])
def test_no_more_are_kept_than_may_be(most: int) -> None:
    world = World(lambda kept: float(40 - len(kept)))
    kept, found = _run(world, LAYERS, most)
    assert len(kept) == most
    assert not found.best.holds


def test_trials_are_bounded() -> None:
    """Any twenty layers do: hundreds of mixes could be tried."""
    world = World(lambda kept: float(20 - len(kept)))
    kept, found = _run(world, LAYERS)
    assert len(kept) == 20
    assert found.trials <= MAX_TRIALS
    assert found.best.holds


@settings(deadline=None)
@given(
    st.lists(st.sets(st.sampled_from(LAYERS[:8]), min_size=1, max_size=3), min_size=1, max_size=3),
    st.permutations(LAYERS[:8]),
)
def test_what_is_left_is_all_needed(enough: list[set[str]], order: list[str]) -> None:
    """Any of several sets of layers is enough: what is found holds, and holds no more with one layer less."""
    world = World(lambda kept: 0.0 if any(one <= kept for one in enough) else 1.0)
    kept, found = _run(world, order)
    assert found.best.holds
    assert all(world.shortfall(kept - {name}) > 0 for name in kept)


@settings(deadline=None)
@given(st.permutations(LAYERS[:6]), st.randoms(use_true_random=False))
def test_any_world_ends(order: list[str], random: Any) -> None:
    """No order between mixes at all: the search ends, and says truthfully whether its mix holds."""
    subsets = itertools.chain.from_iterable(itertools.combinations(LAYERS[:6], n) for n in range(7))
    worlds = {frozenset(one): random.choice([-1.0, 1.0]) for one in subsets} | {frozenset(): 1.0}
    kept, found = _run(World(worlds.__getitem__), order)
    assert found.best.shortfall == worlds[kept]
    assert found.best.holds or worlds[frozenset(order)] > 0
