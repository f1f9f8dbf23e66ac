"""The comparison as rows and as a table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.quant.score import Score
from benchmarks.rows import Row, at_least, figure

OURS = "ours"

PERCENT = 100.0

Scores = Mapping[str, Mapping[str, Score]]
"""By model, then by quantizer."""


def rows(scores: Scores) -> list[Row]:
    """Ours are held to the best of the others; the others are there to be seen."""
    found: list[Row] = []
    for model, by_name in scores.items():
        for what, unit, values in _figures(by_name):
            others = [value for name, value in values.items() if name != OURS]
            for name, value in values.items():
                label = f"{model}: {what}, {name}"
                bounded = name == OURS and others
                found.append(at_least(label, value, unit, max(others)) if bounded else figure(label, value, unit))
        found += [figure(f"{model}: time, {name}", one.seconds, "s") for name, one in by_name.items()]
    return found


def table(scores: Scores, held_out: Mapping[str, int], names: Sequence[str]) -> str:
    """One line per model: SQNR of logits, of outputs, and agreement, for each quantizer."""
    lines = [
        f"| model | held-out inputs | figure | {' | '.join(names)} |",
        f"|---|---|---|{'---|' * len(names)}",
    ]
    for model, by_name in scores.items():
        for what, unit, values in _figures(by_name):
            best = max(values.values())
            cells = [_cell(values.get(name), best) for name in names]
            lines.append(f"| {model} | {held_out[model]} | {what}, {unit} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figures(by_name: Mapping[str, Score]) -> list[tuple[str, str, dict[str, float]]]:
    """What is compared, its unit, and the values by quantizer."""
    found = [
        ("SQNR before Softmax", "dB", {name: one.logits_db for name, one in by_name.items()}),
        ("SQNR of the output", "dB", {name: one.output_db for name, one in by_name.items()}),
    ]
    agreement = {name: one.agreement * PERCENT for name, one in by_name.items() if one.agreement is not None}
    return [*found, ("same top class", "%", agreement)] if agreement else found[1:]


def _cell(value: float | None, best: float) -> str:
    if value is None:
        return "-"
    return f"**{value:.1f}**" if value == best else f"{value:.1f}"
