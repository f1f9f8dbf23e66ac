"""Rounding error layer by layer, for each scheme of quantization."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.patches import Patch

from compiler.plots.canvas import FIRST, INK, SECOND, SOFT, Plot, rows_canvas, style, svg_of
from compiler.quantized import Layer, Quantized

ROW_IN, DENSE_ROW_IN = 0.34, 0.2
"""Height of a row, and where there are many."""

MANY = 24

MAX_NAME_CHARS = 34
"""Longer names lose their front: the end tells layers apart."""


def layers(quantized: Sequence[Quantized]) -> list[Plot]:
    """One plot for each scheme whose layers were measured; one for those that differ in what they may fall back to."""
    measured: dict[tuple[str, tuple[Layer, ...]], Quantized] = {}
    for one in quantized:
        if any(layer.sqnr_db is not None for layer in one.layers):
            measured.setdefault((str(one.scheme), one.layers), one)
    return [_scheme(one, f"layers{index}") for index, one in enumerate(measured.values())]


def _scheme(one: Quantized, name: str) -> Plot:
    rows = [(layer, layer.sqnr_db) for layer in one.layers if layer.sqnr_db is not None]
    with style(name):
        row_in = DENSE_ROW_IN if len(rows) > MANY else ROW_IN
        figure, axes = rows_canvas([_label(layer) for layer, _ in rows], row_in=row_in)
        axes.tick_params(axis="y", labelsize=8 if len(rows) > MANY else 9)
        colors = [SECOND if layer.kept else FIRST for layer, _ in rows]
        bars = axes.barh(range(len(rows)), [sqnr for _, sqnr in rows], 0.62, color=colors)
        marks = [f"{sqnr:.1f}  {layer.precision}" if layer.kept else f"{sqnr:.1f}" for layer, sqnr in rows]
        axes.bar_label(bars, marks, padding=4, color=INK, fontsize=8)
        axes.margins(x=0.2)
        axes.set_xlabel("SQNR against float after the layer, dB (more is better)")
        if any(layer.kept for layer, _ in rows):
            handles = [Patch(color=FIRST, label="quantized"), Patch(color=SECOND, label="kept in higher precision")]
            axes.legend(handles=handles, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        worst = min(sqnr for _, sqnr in rows)
        axes.axvline(worst, color=SOFT, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
        svg = svg_of(figure, f"Signal to quantization noise of each layer, {one.scheme}")
    kept = sum(layer.kept for layer in one.layers)
    note = f"{len(one.layers)} layers, {kept} kept in higher precision; the dotted line is the worst."
    return Plot(title=f"Error by layer, {one.scheme}", note=note, svg=svg)


def _label(layer: Layer) -> str:
    name = layer.name
    return name if len(name) <= MAX_NAME_CHARS else f"..{name[-MAX_NAME_CHARS + 2 :]}"
