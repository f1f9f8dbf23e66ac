"""The exact McNemar test (Q. McNemar, Psychometrika 12, 1947, 153-157, with binomial probabilities)."""

from __future__ import annotations


def mcnemar_p(worse: int, better: int) -> float:
    """Two-sided p-value: how likely are counts this unequal if either change is equally likely.

    ``worse`` and ``better`` count the samples on which the two models differ.
    """
    changed, fewer = worse + better, min(worse, better)
    # Whole numbers until the last division: exact for any count.
    chosen = ways = 1
    for k in range(fewer):
        chosen = chosen * (changed - k) // (k + 1)
        ways += chosen
    return min(1.0, 2 * ways / (1 << changed))
