"""Ranges of stored values."""

from __future__ import annotations

from compiler.quantization.observed import Observed
from compiler.quantization.placement import Placement
from compiler.quantization.recipe import Range, Recipe

MIN_MAX = "min-max"


def min_max(placement: Placement, observed: Observed) -> Recipe:
    """Every group by the lowest and highest value of its members."""
    ranges: dict[str, Range] = {}
    for group, members in placement.members().items():
        found = [observed.range_of(member) for member in members]
        ranges |= dict.fromkeys(members, (min(low for low, _ in found), max(high for _, high in found)))
        ranges[group] = ranges[members[0]]
    return Recipe(ranges=ranges, methods=dict.fromkeys(ranges, MIN_MAX))
