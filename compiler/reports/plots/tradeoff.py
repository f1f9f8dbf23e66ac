"""Accuracy against latency against size: one bubble for each variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from compiler.metrics.text import in_points
from compiler.reports.plots.canvas import CARD, FAINT, FIRST, INK, SECOND, SOFT, Plot, log_ticks, style, svg_of
from compiler.reports.plots.labels import Box, Point, place_labels
from edge_bundle.proof import AccuracyProof, Proof

SIZE_IN = (11.4, 4.6)
DPI = 72.0
"""Of SVG in matplotlib: a pixel is a point."""

LEAST_RADIUS_PX, MOST_RADIUS_PX = 4.0, 20.0
"""Of a bubble; its area is in proportion to the artifact's size, above the least."""

MARGIN = 0.35
"""Free space beside the outermost points, as a share of the range (of its logarithm)."""

LEAST_RANGE = 0.01
"""Accuracies closer than this, relatively, are not blown up to fill the plot."""


@dataclass(frozen=True)
class _Spot:
    """One variant with a place: measured, or where the vendor's compiler expects it."""

    proof: Proof
    latency_us: float
    expected: bool


def tradeoff(proofs: Sequence[Proof], reference: AccuracyProof) -> Plot | None:
    """The plot; ``None`` where no variant has a latency. Those without one are named in the note."""
    spots = [spot for proof in proofs if (spot := _spot(proof))]
    if not spots:
        return None
    scale = 100.0 if in_points(reference.metric) else 1.0
    with style("tradeoff"):
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        axes = figure.add_subplot()
        _frame(axes, spots, reference, scale)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # pixels are known from here on
        _bubbles(axes, spots, scale)
        svg = svg_of(figure, "Accuracy against latency of each variant; the area of a bubble is the artifact's size")
    return Plot(title="Accuracy, latency, size", note=_note(proofs, spots), svg=svg, wide=True)


def _spot(proof: Proof) -> _Spot | None:
    if proof.latency is not None:
        return _Spot(proof, proof.latency.p50_us, expected=False)
    if proof.estimate is not None:
        return _Spot(proof, proof.estimate.latency_us, expected=True)
    return None


def _frame(axes: Any, spots: Sequence[_Spot], reference: AccuracyProof, scale: float) -> None:
    """Limits with room for labels, grid, and the line of the float model."""
    axes.set_xlabel("latency of a batch of one, median, us (logarithmic)")
    axes.set_ylabel(f"{reference.metric.value}, %" if scale != 1.0 else reference.metric.value)
    axes.set_xscale("log")
    times = [spot.latency_us for spot in spots]
    spread = max(times) / min(times)
    room = max(spread**MARGIN, 1.6)
    axes.set_xlim(min(times) / room, max(times) * room)
    values = [reference.value, *(spot.proof.accuracy.value for spot in spots)]
    low, high = min(values) * scale, max(values) * scale
    span = max(high - low, abs(high) * LEAST_RANGE, 1e-9)
    middle = (low + high) / 2
    axes.set_ylim(middle - span * (0.5 + MARGIN), middle + span * (0.5 + MARGIN))
    log_ticks(axes.xaxis)
    axes.grid(color=FAINT, linewidth=0.8)
    axes.tick_params(length=0, which="both")
    axes.set_axisbelow(True)
    axes.axhline(reference.value * scale, color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    left = axes.get_xlim()[0]
    axes.annotate(
        "float", (left, reference.value * scale), xytext=(4, 3), textcoords="offset points", color=SOFT, fontsize=9
    )


def _bubbles(axes: Any, spots: Sequence[_Spot], scale: float) -> None:
    largest = max(spot.proof.artifact_bytes for spot in spots)
    ordered = sorted(spots, key=lambda spot: -spot.proof.artifact_bytes)  # the small ones on top
    points = []
    for spot in ordered:
        share = spot.proof.artifact_bytes / largest
        radius = max(LEAST_RADIUS_PX, MOST_RADIUS_PX * share**0.5)
        where = (spot.latency_us, spot.proof.accuracy.value * scale)
        color = FIRST if spot.proof.precision.quantized else SECOND
        axes.scatter(
            *where, s=(2 * radius) ** 2, facecolor=CARD if spot.expected else color,
            edgecolor=color, alpha=0.75, linewidth=1.4, linestyle=(0, (2, 2)) if spot.expected else "-", zorder=3,
        )  # fmt: skip
        x, y = axes.transData.transform(where)
        points.append(Point(float(x), float(y), radius, spot.proof.profile))
    box = axes.bbox
    for point, place in zip(points, place_labels(points, Box(box.x0, box.y0, box.x1, box.y1)), strict=True):
        middle = ((place.box.left + place.box.right) / 2, (place.box.bottom + place.box.top) / 2)
        if place.led:
            ends = axes.transData.inverted().transform([(point.x, point.y), middle])
            axes.plot(ends[:, 0], ends[:, 1], color=SOFT, linewidth=0.7, zorder=2)
        axes.annotate(
            point.text, middle, xycoords="figure pixels", ha="center", va="center", color=INK, fontsize=9, zorder=4,
            bbox={"facecolor": CARD, "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip


def _note(proofs: Sequence[Proof], spots: Sequence[_Spot]) -> str:
    """How to read it, and who is missing."""
    better = "Down" if proofs[0].accuracy.metric.lower_is_better else "Up"
    parts = [
        f"{better} and left is better; the area of a bubble is the artifact's size.",
        "Blue is quantized, orange float.",
    ]
    if any(spot.expected for spot in spots):
        parts.append("Hollow: expected by the vendor's compiler, not measured.")
    drawn = {spot.proof.profile for spot in spots}
    missing = [proof.profile for proof in proofs if proof.profile not in drawn]
    if missing:
        parts.append(f"Not drawn, since nothing here runs at the device's speed: {', '.join(missing)}.")
    return " ".join(parts)
