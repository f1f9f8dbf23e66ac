"""Which layers to keep, in as few trials as possible. Pure rules: a trial is whatever the caller makes of it.

1. Layers are kept in the order of their harm: 1, 2, 4, ... of them, until the contract holds or no more may be.
2. Between the last count that failed and the first that held, bisection finds the smallest that holds. (More kept
   layers are hardly ever worse; where they are, the count found still holds.)
3. What was kept for nothing is quantized again: groups of kept layers, then smaller ones, the least harmful first, as
   in delta debugging (A. Zeller and R. Hildebrandt, IEEE Transactions on Software Engineering 28, 2002, 183-200).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.accuracy_control.trial import Trial, Try

MAX_TRIALS = 60
"""Trials after which no further layer is taken back: each runs the whole evaluation set."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """``best`` is the mix that holds, or the one nearest to it.

    ``without`` has, for each layer kept to the end, the trial that failed without it; ``freed`` are layers that were
    kept on the way and turned out not to matter. ``declined`` of the ``trials`` gave no figure: a device's tools
    refused the mix.
    """

    best: Trial
    without: dict[str, Trial]
    freed: frozenset[str]
    trials: int
    declined: int = 0


class Search:
    """Runs the trials of one search and counts them."""

    def __init__(self, first: Trial, order: Sequence[str], attempt: Try, *, most: int) -> None:
        """``order`` has the layers that may be kept, the most harmful first, ``most`` of them at once.

        ``first`` keeps none and does not hold.
        """
        self._order, self._attempt, self._most = order, attempt, most
        self._tried = {first.kept: first}

    def run(self) -> Found:
        """The three rules, in their order."""
        failed, held = self._double()
        if held is None:
            nearest = min(self._tried.values(), key=lambda trial: (trial.shortfall, len(trial.kept)))
            return Found(best=nearest, without={}, freed=frozenset(), trials=self._trials)
        best = self._bisect(failed, held)
        final = self._take_back(best)
        without = {name: trial for name in final.kept if (trial := self._tried.get(final.kept - {name})) is not None}
        return Found(best=final, without=without, freed=best.kept - final.kept, trials=self._trials)

    @property
    def _trials(self) -> int:
        return len(self._tried) - 1

    def _try(self, kept: frozenset[str]) -> Trial:
        if kept not in self._tried:
            self._tried[kept] = self._attempt(kept)
        return self._tried[kept]

    def _worst(self, count: int) -> Trial:
        return self._try(frozenset(self._order[:count]))

    def _double(self) -> tuple[int, int | None]:
        """Rule 1: a count that fails, and one that holds."""
        failed, count = 0, 1
        while failed < self._most:
            count = min(count, self._most)
            if self._worst(count).holds:
                return failed, count
            failed, count = count, 2 * count
        return failed, None

    def _bisect(self, failed: int, held: int) -> Trial:
        """Rule 2."""
        while held - failed > 1:
            middle = (failed + held) // 2
            failed, held = (failed, middle) if self._worst(middle).holds else (middle, held)
        return self._worst(held)

    def _take_back(self, best: Trial) -> Trial:
        """Rule 3: ever smaller groups; after a pass over single layers that frees nothing, every one is needed."""
        size = max(1, len(best.kept) // 2)
        while True:
            before = best
            best = self._without_groups(best, size)
            if self._trials >= MAX_TRIALS or (size == 1 and best is before):
                return best
            size = max(1, size // 2)

    def _without_groups(self, best: Trial, size: int) -> Trial:
        kept = [name for name in reversed(self._order) if name in best.kept]
        for start in range(0, len(kept), size):
            if self._trials >= MAX_TRIALS:
                break
            fewer = best.kept - set(kept[start : start + size])
            if fewer and fewer != best.kept:
                trial = self._try(fewer)
                best = trial if trial.holds else best
        return best
