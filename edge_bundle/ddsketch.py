"""DDSketch: quantiles with a relative error bound (Masson, Rim, Lee: "DDSketch", PVLDB 12(12), 2019).

Own code because the sketch is a wire format: the agent fills it, the hub merges it, both need the same plain fields.
"""

from __future__ import annotations

import math

import msgspec

RELATIVE_ERROR = 0.01
"""Every quantile is within 1 % of a true sample value."""

MAX_BINS = 2048
"""Bins kept; 2048 at 1 % spans more than 17 decades, so the collapse of the lowest bins is a guard, not a habit."""

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_LAST_FINITE_BIN = 35_400
"""The middle of a bin above this would overflow a double (ln(1.8e308) / ln(1.01 / 0.99) = 35,488)."""


class Sketch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Counts of positive values in bins ``(gamma^(i-1), gamma^i]``; values <= 0 are counted in ``zeros``."""

    bins: dict[int, int] = msgspec.field(default_factory=dict)
    zeros: int = 0
    count: int = 0
    total: float = 0.0
    smallest: float = math.inf
    largest: float = -math.inf

    def add(self, value: float) -> None:
        """Count one finite value."""
        self.count += 1
        self.total += value
        if value < self.smallest:  # noqa: PLR1730 - a call costs more, and every request comes here
            self.smallest = value
        if value > self.largest:  # noqa: PLR1730
            self.largest = value
        if value <= 0:
            self.zeros += 1
            return
        index = math.ceil(math.log(value) / _LOG_GAMMA)
        bins = self.bins
        if index in bins:
            bins[index] += 1
        else:
            bins[index] = 1
            self._collapse()

    def merge(self, other: Sketch) -> None:
        """Add the counts of another sketch; the result equals one sketch fed with both streams."""
        for index, n in other.bins.items():
            self.bins[index] = self.bins.get(index, 0) + n
        self.zeros += other.zeros
        self.count += other.count
        self.total += other.total
        self.smallest = min(self.smallest, other.smallest)
        self.largest = max(self.largest, other.largest)
        self._collapse()

    def quantile(self, q: float) -> float:
        """The value at rank ``q * (count - 1)``, within ``RELATIVE_ERROR``; NaN when empty."""
        if self.count == 0:
            return math.nan
        rank = q * (self.count - 1)
        seen = self.zeros
        if seen > rank:
            return 0.0
        for index in sorted(self.bins):
            seen += self.bins[index]
            if seen > rank:
                return float(2 * _GAMMA**index / (_GAMMA + 1)) if index <= _LAST_FINITE_BIN else self.largest
        return self.largest

    def _collapse(self) -> None:
        """Fold the lowest bins into the lowest one kept: high quantiles keep their error bound (paper, algorithm 3)."""
        surplus = len(self.bins) - MAX_BINS
        if surplus <= 0:
            return
        lowest = sorted(self.bins)[: surplus + 1]
        kept = lowest.pop()
        self.bins[kept] += sum(self.bins.pop(index) for index in lowest)
