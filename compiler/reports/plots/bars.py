"""One row for each variant: accuracy, latency, size, slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compiler.metrics.text import in_points
from compiler.reports.plots.canvas import CARD, FAINT, FIRST, INK, SECOND, Plot, log_ticks, rows_canvas, style, svg_of
from edge_bundle.proof import AccuracyProof, Interval, Proof

PERCENT = 100.0
KB = 1000.0
TICKS = 5
"""Of an axis: accuracies near 1 and sizes take many digits."""

SLICE_ROW_IN = 0.27
"""There are many rows: one for each slice and profile."""

_INTERVALS = {
    Interval.WILSON: "with 95 % Wilson intervals",
    Interval.BOOTSTRAP: "with 95 % bootstrap intervals",
    Interval.NONE: "as the contract's function gives them",
}


def accuracy(proofs: Sequence[Proof], reference: AccuracyProof) -> Plot:
    """The contract's metric with its interval, and the float model's."""
    with style("accuracy"):
        figure, axes = rows_canvas([proof.profile for proof in proofs])
        axes.axvline(reference.value * _scale(reference), color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)))
        for row, proof in enumerate(proofs):
            _whisker(axes, row, proof.accuracy, FIRST)
        axes.set_xlabel(_unit(reference))
        note = f"Dots {_INTERVALS[reference.interval]}; the dashed line is the fp32 reference."
        return Plot(title="Accuracy", note=note, svg=svg_of(figure, "Accuracy of each profile with 95 % interval"))


def latency(proofs: Sequence[Proof]) -> Plot | None:
    """p50, p90 and p99 of the variants that were timed; ``None`` if none was."""
    timed = [(proof.profile, proof.latency) for proof in proofs if proof.latency is not None]
    if not timed:
        return None
    with style("latency"):
        figure, axes = rows_canvas([profile for profile, _ in timed])
        axes.set_xscale("log")
        for row, (_, one) in enumerate(timed):
            first = row == 0
            axes.plot([one.p50_us, one.p99_us], [row, row], color=FAINT, linewidth=4, zorder=1)
            axes.scatter(one.p50_us, row, s=64, color=FIRST, zorder=3, label="p50" if first else None)
            axes.scatter(
                one.p90_us, row, s=36, facecolor=CARD, edgecolor=FIRST, zorder=2, label="p90" if first else None
            )
            axes.scatter(one.p99_us, row, s=36, color=SECOND, marker="D", zorder=2, label="p99" if first else None)
        log_ticks(axes.xaxis)
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        axes.set_xlabel("microseconds, batch of one (logarithmic)")
        note = f"Engine time over {timed[0][1].runs} runs after a warm-up."
        return Plot(title="Latency", note=note, svg=svg_of(figure, "Latency p50, p90 and p99"))


def size(proofs: Sequence[Proof]) -> Plot:
    """The artifact's bytes."""
    with style("size"):
        figure, axes = rows_canvas([proof.profile for proof in proofs])
        bars = axes.barh(range(len(proofs)), [proof.artifact_bytes / KB for proof in proofs], 0.55, color=FIRST)
        axes.bar_label(bars, fmt="{:,.1f}", padding=4, color=INK)
        axes.margins(x=0.16)
        axes.locator_params(axis="x", nbins=TICKS)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("kB, unpacked")
        note = "What the runtime loads, before compression."
        return Plot(title="Artifact size", note=note, svg=svg_of(figure, "Artifact size"))


def slices(proofs: Sequence[Proof]) -> Plot | None:
    """Accuracy by slice of the evaluation set; ``None`` where it names none."""
    names = sorted({name for proof in proofs for name in proof.slices})
    rows = [(name, proof) for name in names for proof in proofs if name in proof.slices]
    if not rows:
        return None
    with style("slices"):
        figure, axes = rows_canvas([f"{name}, {proof.profile}" for name, proof in rows], row_in=SLICE_ROW_IN)
        for row, (name, proof) in enumerate(rows):
            _whisker(axes, row, proof.slices[name], FIRST if names.index(name) % 2 == 0 else SECOND)
        first = rows[0][1].slices[rows[0][0]]
        axes.set_xlabel(_unit(first))
        note = f"Each slice of the evaluation set by itself, {_INTERVALS[first.interval]}."
        return Plot(title="Accuracy by slice", note=note, svg=svg_of(figure, "Accuracy of each slice and profile"))


def _whisker(axes: Any, row: int, proof: AccuracyProof, color: str) -> None:
    value, low, high = (bound * _scale(proof) for bound in (proof.value, proof.low, proof.high))
    reach = [[max(0.0, value - low)], [max(0.0, high - value)]]
    axes.errorbar(value, row, xerr=reach, fmt="o", color=color, capsize=3, markersize=6)
    axes.locator_params(axis="x", nbins=TICKS)
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")


def _scale(proof: AccuracyProof) -> float:
    return PERCENT if in_points(proof.metric) else 1.0


def _unit(proof: AccuracyProof) -> str:
    return f"{proof.metric.value}, %" if in_points(proof.metric) else proof.metric.value
