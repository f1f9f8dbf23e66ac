"""Rounding error layer by layer, for each scheme of quantization."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from compiler.quantized import Layer, Quantized
from compiler.reports.plots.canvas import FAINT, FIRST, INK, SECOND, SOFT, Plot, rows_canvas, style, svg_of

AXIS = "SQNR after the layer, dB"

ROW_IN = 0.34
"""Height of a row."""

MANY = 20
"""From so many layers on they stand side by side, in a plot as wide as the page."""

SIZE_IN = (11.4, 3.9)

MAX_NAME_CHARS = 34
"""Longer names lose their front: the end tells layers apart."""

HANDLES = (Patch(color=FIRST, label="quantized"), Patch(color=SECOND, label="kept in higher precision"))

Measured: TypeAlias = Sequence[tuple[Layer, float]]
"""Layers with their decibels."""


def layers(quantized: Sequence[Quantized], made: Collection[str]) -> list[Plot]:
    """One plot for each scheme whose layers were measured; one for those that differ only in what they fall back to.

    ``made`` are the profiles in the bundle: others are not named.
    """
    measured: dict[tuple[str, tuple[Layer, ...]], Quantized] = {}
    for one in quantized:
        if any(layer.sqnr_db is not None for layer in one.layers):
            first = measured.setdefault((str(one.scheme), one.layers), replace(one, profiles=()))
            whose = tuple(profile for profile in one.profiles if profile in made)
            measured[str(one.scheme), one.layers] = replace(first, profiles=(*first.profiles, *whose))
    return [_scheme(one, f"layers{index}") for index, one in enumerate(measured.values())]


def _scheme(one: Quantized, name: str) -> Plot:
    rows = [(layer, layer.sqnr_db) for layer in one.layers if layer.sqnr_db is not None]
    wide = len(rows) > MANY
    with style(name):
        figure = _columns(rows) if wide else _rows(rows)
        svg = svg_of(figure, f"Signal to quantization noise of each layer, {_whose(one)}")
    kept = sum(layer.kept for layer in one.layers)
    note = f"{len(one.layers)} layers, {kept} kept in higher precision; the dotted line is the worst."
    return Plot(title=f"Error by layer, {_whose(one)}", note=note, svg=svg, wide=wide)


def _whose(one: Quantized) -> str:
    """Schemes may differ in nothing but what they fall back to: the profiles tell them apart."""
    return f"{one.scheme}: {', '.join(one.profiles)}" if one.profiles else str(one.scheme)


def _rows(rows: Measured) -> Figure:
    figure, axes = rows_canvas([_label(layer) for layer, _ in rows], row_in=ROW_IN)
    axes.tick_params(axis="y", labelsize=9)
    bars = axes.barh(range(len(rows)), [sqnr for _, sqnr in rows], 0.62, color=_colors(rows))
    marks = [f"{sqnr:.1f}  {layer.precision}" if layer.kept else f"{sqnr:.1f}" for layer, sqnr in rows]
    axes.bar_label(bars, marks, padding=4, color=INK, fontsize=8)
    axes.margins(x=0.2)
    axes.set_xlabel(AXIS)
    axes.axvline(min(sqnr for _, sqnr in rows), color=SOFT, linewidth=0.8, linestyle=(0, (2, 3)), zorder=3)
    _legend(axes, rows)
    return figure


def _columns(rows: Measured) -> Figure:
    figure = Figure(figsize=SIZE_IN, layout="constrained")
    axes = figure.add_subplot()
    axes.bar(range(len(rows)), [sqnr for _, sqnr in rows], 0.66, color=_colors(rows))
    axes.set_xticks(range(len(rows)), [_label(layer) for layer, _ in rows], rotation=90, fontsize=8)
    axes.tick_params(length=0)
    axes.set_xlim(-0.8, len(rows) - 0.2)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylabel(AXIS)
    axes.axhline(min(sqnr for _, sqnr in rows), color=SOFT, linewidth=0.8, linestyle=(0, (2, 3)), zorder=3)
    _legend(axes, rows)
    return figure


def _colors(rows: Measured) -> list[str]:
    return [SECOND if layer.kept else FIRST for layer, _ in rows]


def _legend(axes: Any, rows: Measured) -> None:
    if any(layer.kept for layer, _ in rows):
        axes.legend(handles=HANDLES, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _label(layer: Layer) -> str:
    name = layer.name
    return name if len(name) <= MAX_NAME_CHARS else f"..{name[-MAX_NAME_CHARS + 2 :]}"
