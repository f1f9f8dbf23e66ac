"""Figures of LiteRT as rows and as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchmarks.docs.tables import table
from benchmarks.litert.measure import PROFILES, Figures
from benchmarks.litert.steps import Steps
from benchmarks.rows import Row, fact, figure

PERFECT_DB = 999.0
"""What stands in rows for no error at all."""


def rows_of(found: Figures) -> Iterator[Row]:
    """Every figure of one model."""
    for name, value in found.p50_us.items():
        yield figure(f"litert/{found.model}/{name}/p50", value, "us")
    for name in found.against_graph_db:
        yield figure(f"litert/{found.model}/{name}/against_graph", _finite(found.against_graph_db[name]), "dB")
        yield figure(f"litert/{found.model}/{name}/against_float", _finite(found.against_float_db[name]), "dB")
        yield figure(f"litert/{found.model}/{name}/top1_as_graph", 100 * found.top1_as_graph[name], "%")
    for kernels, by_op in found.steps.items():
        total = sum(by_op.values(), Steps())
        yield figure(f"litert/{found.model}/{kernels}/off_by_a_step", 100 * total.wrong / max(total.count, 1), "%")
    for name, reason in found.refused.items():
        yield fact(f"litert/{found.model}/{name}/refused", reason)


def speed_table(all_found: Sequence[Figures]) -> str:
    """Microseconds by model and profile."""
    head = ["p50 us, one thread", *PROFILES]
    lines = [[one.model, *(_us(one.p50_us.get(name)) for name in PROFILES)] for one in all_found]
    return table(head, lines)


def agreement_table(all_found: Sequence[Figures]) -> str:
    """How near LiteRT is to the graph it came from and to float32."""
    head = ["model", "profile", "SQNR against its graph, dB", "same top 1, %", "SQNR against fp32, dB"]
    lines = [
        [
            one.model,
            name,
            _db(one.against_graph_db[name]),
            f"{100 * one.top1_as_graph[name]:.1f}",
            _db(one.against_float_db[name]),
        ]
        for one in all_found
        for name in PROFILES
        if name in one.against_graph_db
    ]
    return table(head, lines)


def steps_table(all_found: Sequence[Figures]) -> str:
    """Integers that are a step off, by operator, over all models."""
    kinds = list(dict.fromkeys(kind for one in all_found for kind in one.steps))
    operators = sorted({op for one in all_found for by_op in one.steps.values() for op in by_op})
    lines = []
    for op in operators:
        cells = [sum((one.steps.get(kind, {}).get(op, Steps()) for one in all_found), Steps()) for kind in kinds]
        lines.append([f"`{op}`", *(_share(cell) for cell in cells)])
    return table(["off by one step", *kinds], lines)


def _share(steps: Steps) -> str:
    if not steps.count:
        return "-"
    if not steps.wrong:
        return f"none of {steps.count:,}"
    text = f"{100 * steps.wrong / steps.count:.3f} %"
    return text if steps.most == 1 else f"{text}, up to {steps.most}"


def _us(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}"  # noqa: PLR2004


def _db(value: float) -> str:
    return "exact" if math.isinf(value) else f"{value:.1f}"


def _finite(value: float) -> float:
    return PERFECT_DB if math.isinf(value) else value
