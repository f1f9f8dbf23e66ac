"""Who wins a race between variants of one profile. Rules alone; ``compiler/measuring/interleaved.py`` takes the times.

1. What is compared is the median of the ratios within each round, never two medians of their own.
2. The winner is the first of the profile's order that is at most ``NOISE`` slower than the fastest: within what
   measuring again would change, the profile's own choice stays, and a second compile chooses the same.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edge_bundle.manifest import Precision

Times: TypeAlias = tuple[float, ...]
"""Microseconds per run of one variant, one value per round."""

NOISE = 0.01
"""Share of the fastest time that counts as no difference; half of the 2 % that a choice may lose."""

SCREEN_ROUNDS, FINAL_ROUNDS = 7, 41
"""Rounds among all, then among those still in the running."""

SCREEN_RATIO = 1.25
"""Who is this much slower than the fastest after the first rounds cannot win any more."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One runtime and precision of the field.

    ``p50_us`` is the median microseconds of a run within the race, and ``behind`` the median ratio to the winner's
    time; both ``None`` for one that was refused before, and ``refusal`` says why.
    """

    runtime: str
    precision: Precision
    p50_us: float | None = None
    behind: float | None = None
    won: bool = False
    refusal: str = ""


@dataclass(frozen=True, kw_only=True)
class Race:
    """The whole field of one profile, in the profile's order."""

    profile: str
    field: tuple[Entrant, ...]

    @property
    def winner(self) -> Entrant:
        """The one that became the variant."""
        return next(entrant for entrant in self.field if entrant.won)


def ratio(times: Times, to: Times) -> float:
    """Rule 1: the median over the rounds that both took part in."""
    return statistics.median(mine / theirs for mine, theirs in zip(times, to, strict=False))


def fastest(field: Sequence[Times]) -> int:
    """Index of the one with the lowest median."""
    return min(range(len(field)), key=lambda index: statistics.median(field[index]))


def still_running(field: Sequence[Times]) -> list[int]:
    """Indices of those that may win yet."""
    best = field[fastest(field)]
    return [index for index, times in enumerate(field) if ratio(times, best) <= SCREEN_RATIO]


def winner(field: Sequence[Times]) -> int:
    """Rule 2: index of the winner; the first where nobody was timed."""
    if not all(field):
        return 0
    best = field[fastest(field)]
    return next(index for index, times in enumerate(field) if ratio(times, best) <= 1.0 + NOISE)
