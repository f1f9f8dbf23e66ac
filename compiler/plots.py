"""The plots of the HTML report, as inline SVG that follows the page's colours.

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

from edge_bundle.proof import AccuracyProof, Proof

INK, FAINT, FIRST, SECOND = "#010203", "#020304", "#030405", "#040506"
"""Marker colours: text, grid lines, first and second series."""

_VARIABLES = {INK: "var(--ink)", FAINT: "var(--line)", FIRST: "var(--first)", SECOND: "var(--second)"}
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
}
_PROLOGUE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_FONT = re.compile(r"font: ([\d.]+px)[^;\"]*")
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
WIDTH_IN = 5.6
ROW_IN = 0.46
MARGIN_IN = 0.85
PERCENT = 100.0
KB = 1000.0


@dataclass(frozen=True)
class Plot:
    """A titled drawing; ``svg`` is safe to inline."""

    title: str
    note: str
    svg: str


def plots(proofs: Sequence[Proof], reference: AccuracyProof) -> tuple[Plot, ...]:
    """All plots of a report, in order; the one by slice only where there are slices."""
    drawn = [_accuracy(proofs, reference), _latency(proofs), _size(proofs)]
    if any(proof.slices for proof in proofs):
        drawn.append(_slices(proofs))
    return tuple(drawn)


def _accuracy(proofs: Sequence[Proof], reference: AccuracyProof) -> Plot:
    with _style("accuracy"):
        figure, axes = _canvas([proof.profile for proof in proofs])
        axes.axvline(reference.value * PERCENT, color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)))
        for row, proof in enumerate(proofs):
            _whisker(axes, row, proof.accuracy, FIRST)
        axes.set_xlabel("accuracy, %")
        note = "Dots with 95 % Wilson intervals; the dashed line is the fp32 reference."
        return Plot("Accuracy", note, _svg(figure, "Accuracy of each profile with 95 % interval"))


def _latency(proofs: Sequence[Proof]) -> Plot:
    with _style("latency"):
        figure, axes = _canvas([proof.profile for proof in proofs])
        height = 0.32
        for row, proof in enumerate(proofs):
            if proof.latency is None:
                continue
            axes.barh(row - height / 2, proof.latency.p50_us, height, color=FIRST, label="p50" if not row else None)
            axes.barh(row + height / 2, proof.latency.p99_us, height, color=SECOND, label="p99" if not row else None)
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        axes.set_xlabel("microseconds, batch of one")
        runs = max((proof.latency.runs for proof in proofs if proof.latency), default=0)
        return Plot("Latency", f"Engine time over {runs} runs after a warm-up.", _svg(figure, "Latency p50 and p99"))


def _size(proofs: Sequence[Proof]) -> Plot:
    with _style("size"):
        figure, axes = _canvas([proof.profile for proof in proofs])
        bars = axes.barh(range(len(proofs)), [proof.artifact_bytes / KB for proof in proofs], 0.55, color=FIRST)
        axes.bar_label(bars, fmt="%.1f", padding=4, color=INK)
        axes.margins(x=0.14)
        axes.set_xlabel("kB, unpacked")
        return Plot("Artifact size", "What the runtime loads, before compression.", _svg(figure, "Artifact size"))


def _slices(proofs: Sequence[Proof]) -> Plot:
    names = sorted({name for proof in proofs for name in proof.slices})
    rows = [(name, proof) for name in names for proof in proofs if name in proof.slices]
    with _style("slices"):
        figure, axes = _canvas([f"{name}, {proof.profile}" for name, proof in rows])
        for row, (name, proof) in enumerate(rows):
            _whisker(axes, row, proof.slices[name], FIRST if names.index(name) % 2 == 0 else SECOND)
        axes.set_xlabel("accuracy, %")
        note = "Each slice of the evaluation set by itself, with 95 % Wilson intervals."
        return Plot("Accuracy by slice", note, _svg(figure, "Accuracy of each slice and profile"))


def _style(plot: str) -> Any:
    """Style of one plot; its name salts the ids, which must differ within one page."""
    return mpl.rc_context({**_STYLE, "svg.hashsalt": plot})


def _canvas(labels: Sequence[str]) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH_IN, MARGIN_IN + ROW_IN * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _whisker(axes: Any, row: int, proof: AccuracyProof, color: str) -> None:
    value, low, high = (share * PERCENT for share in (proof.value, proof.low, proof.high))
    axes.errorbar(value, row, xerr=[[value - low], [high - value]], fmt="o", color=color, capsize=3, markersize=6)


def _svg(figure: Figure, label: str) -> str:
    """The drawing without XML prologue, metadata or fixed colours, named for screen readers."""
    target = io.StringIO()
    figure.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    svg = _METADATA.sub("", _PROLOGUE.sub("", target.getvalue()))
    svg = _FONT.sub(r"font: \1 system-ui, sans-serif", svg)
    for marker, variable in _VARIABLES.items():
        svg = svg.replace(marker, variable)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
