"""Which layers to keep where every trial is dear. Pure rules, like ``search``.

A trial compiles for a device and runs the evaluation set there, often in an emulator.

1. Layers are kept in the order of their harm: 1, 4, 16, ... of them, until the contract holds or no more may be.
2. A mix that the device's tools refuse bounds the count from above: others have fewer layers kept.
3. Between the last count that failed and the first that held or was refused, bisection looks for the smallest that
   holds. Nothing is taken back one by one.
4. ``MAX_TRIALS`` end the search with the best mix so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler.accuracy_control.search import Found
from compiler.accuracy_control.trial import Trial

MAX_TRIALS = 8
"""Enough for 4 ** 3 layers with bisection, and to tell of 4 ** 7 that none helps; Qualcomm's emulator takes seconds for
a hundred small samples, and minutes for a thousand large ones."""

GROWTH = 4
"""Rule 1: a trial more in the bisection costs what one fewer on the way up saves, and hopeless cases end sooner."""


def few_trials(
    first: Trial,
    order: Sequence[str],
    attempt: Callable[[frozenset[str]], Trial | None],
    *,
    most: int,
) -> Found:
    """Keep what ``first`` keeps (it does not hold) and the first few of ``order``, at most ``most`` of these.

    ``attempt`` gives ``None`` where the device's tools refuse the mix.
    """
    failed, bound, trials = 0, most + 1, 0
    best: Trial | None = None
    tried = {0: first}
    while trials < MAX_TRIALS and bound - failed > 1:
        count = min(max(1, GROWTH * failed), most) if bound > most else (failed + bound) // 2
        trial, trials = attempt(first.kept | set(order[:count])), trials + 1
        if trial is not None:
            tried[count] = trial
        if trial is not None and trial.holds:
            bound, best = count, trial
        elif trial is None and best is None:
            bound = count
        else:
            failed = count
    if best is None:
        nearest = min(tried.values(), key=lambda trial: (trial.shortfall, len(trial.kept)))
        return Found(best=nearest, without={}, freed=frozenset(), trials=trials, declined=trials + 1 - len(tried))
    fewer = tried.get(bound - 1)
    without = {order[bound - 1]: fewer} if fewer else {}
    return Found(best=best, without=without, freed=frozenset(), trials=trials, declined=trials + 1 - len(tried))
