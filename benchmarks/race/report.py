"""Contests as rows, and as a table."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from rich.table import Table

from benchmarks.race.compete import Contest
from benchmarks.rounds import ratio
from benchmarks.rows import Row, fact, figure

TARGET = 1.02
"""The chosen variant may be so much slower than the best single runtime."""

START_TARGET = 0.7
"""Importing what the node kept, over compiling it anew; measured 0.3 to 0.45."""

SEED = 4


def contest_rows(contests: Sequence[Contest]) -> Iterator[Row]:
    """The ratio of every model, what was chosen, every time of the field, who was refused; then the worst of all."""
    ratios = []
    for contest in contests:
        name, rng = contest.model, random.Random(SEED)
        found = contest.chosen_over_best(rng)
        ratios.append(found.value)
        yield figure(f"race/{name}/chosen_over_best_single", found.value, "ratio", TARGET)
        yield figure(f"race/{name}/chosen_over_best_single/low", found.low, "ratio")
        yield figure(f"race/{name}/chosen_over_best_single/high", found.high, "ratio")
        yield fact(f"race/{name}/chosen", contest.names[contest.chosen])
        for index, one in enumerate(contest.names):
            yield figure(f"race/{name}/p50_us/{one}", contest.p50_us(index), "us")
        for one, why in contest.refused.items():
            yield fact(f"race/{name}/refused/{one}", why)
        if contest.start is not None:
            saved = ratio(contest.start.compiled, contest.start.imported, rng)
            yield figure(f"start/{name}/openvino_imported_over_compiled", saved.value, "ratio", START_TARGET)
    if ratios:
        yield figure("race/worst_chosen_over_best_single", max(ratios), "ratio", TARGET)
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        yield figure("race/geometric_mean_chosen_over_best_single", mean, "ratio", 1.0)


def contest_table(contests: Sequence[Contest]) -> Table:
    """A row per model: microseconds of everybody, the chosen one first, and its ratio to the best of the others."""
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "chosen", "p50 us", "over best other", "95 %", "others, p50 us"):
        table.add_column(heading, justify="right" if heading in ("p50 us", "over best other") else "left")
    for contest in contests:
        found = contest.chosen_over_best(random.Random(SEED))
        others = [
            f"{name} {contest.p50_us(index):.4g}" for index, name in enumerate(contest.names) if index != contest.chosen
        ]
        table.add_row(
            contest.model,
            contest.names[contest.chosen],
            f"{contest.p50_us(contest.chosen):.4g}",
            f"{found.value:.3f}",
            f"{found.low:.3f} to {found.high:.3f}",
            ", ".join([*others, *(f"{name} refused" for name in contest.refused)]),
        )
    return table
