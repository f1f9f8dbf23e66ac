"""The comparison as rows and as tables in Markdown.

Ours has to be better than the best of the others in SQNR of what Softmax is taken of (of the output where there is
none). What is behind Softmax turns on the few inputs that lie between two classes: there, ours must not be
significantly worse than the best of the others, by a paired test at 5 %. With few calibration inputs ours is held to
ONNX Runtime's scales per channel. The tables show who is best all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.quant.score import Score, not_worse
from benchmarks.rows import Row, at_least, figure
from compiler.metrics.wilson import wilson_interval

OURS = "ours"

FEW_RIVALS = frozenset({"ORT per-channel"})
"""Whom ours is held to where calibration inputs are few."""

PERCENT = 100.0

Scores = Mapping[str, Mapping[str, Score]]
"""By model, then by quantizer."""

Figures = dict[str, float]
"""By quantizer."""


def rows(scores: Scores) -> list[Row]:
    """Ours are held to the best of the others; the others are there to be seen."""
    found: list[Row] = []
    for model, by_name in scores.items():
        for what, unit, values in _figures(by_name):
            found += [
                _row(f"{model}: {what}, {name}", unit, values, name, by_name, few="," in model) for name in values
            ]
        found += [figure(f"{model}: time, {name}", one.seconds, "s") for name, one in by_name.items()]
    return found


def _row(
    label: str, unit: str, values: Figures, name: str, by_name: Mapping[str, Score], *, few: bool
) -> Row:  # fmt: skip
    others = {
        other: value for other, value in values.items() if other in (FEW_RIVALS if few else values.keys() - {OURS})
    }
    if name != OURS or not others:
        return figure(label, values[name], unit)
    best = max(others, key=others.__getitem__)
    row = at_least(label, values[name], unit, others[best])
    if row.ok or (unit == "dB" and values == _figures(by_name)[0][2]):
        return row
    held = not_worse(by_name[OURS], by_name[best], agreement=unit == "%")
    return Row(name=f"{label} (at least, or no significant difference)", value=row.value, unit=unit,
               target=row.target, ok=held)  # fmt: skip


def table(scores: Scores, sizes: Mapping[str, tuple[int, int]], names: Sequence[str]) -> str:
    """One line per model and figure; ``sizes`` are numbers of calibration and of held-out inputs."""
    lines = [
        f"| model | calibrated with | held out | figure | {' | '.join(names)} |",
        f"|---|---|---|---|{'---|' * len(names)}",
    ]
    for model, by_name in scores.items():
        calibrated, held_out = sizes[model]
        for what, unit, values in _figures(by_name):
            best = max(values.values())
            cells = [_cell(values.get(name), best, held_out if unit == "%" else 0) for name in names]
            lines.append(f"| {model} | {calibrated} | {held_out} | {what}, {unit} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figures(by_name: Mapping[str, Score]) -> list[tuple[str, str, Figures]]:
    """What is compared, its unit, and the values by quantizer; what has to be better first."""
    output = ("SQNR of the output", "dB", {name: one.output_db for name, one in by_name.items()})
    agreement = {name: one.agreement * PERCENT for name, one in by_name.items() if one.agreement is not None}
    if not agreement:
        return [output]
    logits = ("SQNR before Softmax", "dB", {name: one.logits_db for name, one in by_name.items()})
    return [logits, output, ("same top class", "%", agreement)]


def _cell(value: float | None, best: float, samples: int) -> str:
    """The best in bold; shares with Wilson's interval."""
    if value is None:
        return "-"
    text = f"**{value:.1f}**" if value == best else f"{value:.1f}"
    if not samples:
        return text
    low, high = wilson_interval(round(value / PERCENT * samples), samples)
    return f"{text} ({low * PERCENT:.1f}..{high * PERCENT:.1f})"
