"""What all plots share: colours, axes, and the way to inline SVG.

matplotlib knows no CSS variables, so shapes are drawn in marker colours that are replaced by variables afterwards.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK, FAINT, FIRST, SECOND, SOFT, CARD = "#010203", "#020304", "#030405", "#040506", "#050607", "#060708"
"""Marker colours: text, grid lines, first and second series, lesser text, what the plot lies on."""

_VARIABLES = {
    INK: "var(--ink)", FAINT: "var(--line)", FIRST: "var(--first)", SECOND: "var(--second)", SOFT: "var(--soft)",
    CARD: "var(--card)",
}  # fmt: skip
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "hatch.color": CARD,
}
_PROLOGUE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_FONT = re.compile(r"font: ([\d.]+px)[^;\"]*")
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)

WIDTH_IN = 5.6
ROW_IN = 0.46
MARGIN_IN = 0.85


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A titled drawing; ``svg`` is safe to inline. A ``wide`` one takes the whole width of the page."""

    title: str
    note: str
    svg: str
    wide: bool = False


def style(plot: str) -> Any:
    """Style of one plot; its name salts the ids, which must differ within one page."""
    return mpl.rc_context({**_STYLE, "svg.hashsalt": plot})


def rows_canvas(labels: Sequence[str], *, row_in: float = ROW_IN, width_in: float = WIDTH_IN) -> tuple[Figure, Any]:
    """A figure with a row for each label, the first on top."""
    figure = Figure(figsize=(width_in, MARGIN_IN + row_in * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(length=0, which="both")
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def log_ticks(axis: Any) -> None:
    """Ticks of a logarithmic axis as plain numbers at 1, 2 and 5."""
    axis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(mpl.ticker.NullFormatter())
    axis.set_minor_locator(mpl.ticker.NullLocator())


def svg_of(figure: Figure, label: str) -> str:
    """The drawing without XML prologue, metadata or fixed colours, named for screen readers by ``label``."""
    target = io.StringIO()
    figure.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    svg = _METADATA.sub("", _PROLOGUE.sub("", target.getvalue()))
    svg = _FONT.sub(r"font: \1 system-ui, sans-serif", svg)
    for marker, variable in _VARIABLES.items():
        svg = svg.replace(marker, variable)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
