"""Figures of accuracy in words: shares and areas in per cent and points, everything else as it is."""

from __future__ import annotations

from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof, Interval

POINT = 100.0
"""Percentage points per unit of a share."""

DIGITS = 4
"""Significant digits of figures that are no share."""

COSINE_DIGITS = 6
"""Of a cosine: that of a good int8 graph differs from 1 in the fifth digit."""


def in_points(metric: Metric) -> bool:
    """Whether the metric's values are spoken of as per cent."""
    return metric.is_share or metric is Metric.AUC


def drop_of(got: AccuracyProof, reference: AccuracyProof) -> float:
    """How much worse ``got`` is than ``reference``, in the metric's own unit; negative if it is better."""
    drop = reference.value - got.value
    return -drop if got.metric.lower_is_better else drop


def metric_title(metric: Metric) -> str:
    """Over a column of values: ``accuracy`` for top-1, else the metric's own name, as lower may be better."""
    return "accuracy" if metric is Metric.TOP1 else metric.value


def value_text(metric: Metric, value: float) -> str:
    """``99.20 %`` of a share or an area, ``0.01234`` of anything else."""
    return f"{value * POINT:.2f} %" if in_points(metric) else _plain(metric, value)


def amount_text(metric: Metric, amount: float) -> str:
    """A difference of two values: ``0.50 points``, ``0.01234``."""
    return f"{amount * POINT:.2f} points" if in_points(metric) else f"{amount:.{DIGITS}g}"


def drop_text(metric: Metric, drop: float) -> str:
    """A drop for a column of drops: ``+0.20``, in points where values are in per cent."""
    drop += 0.0  # takes the sign from -0.0
    return f"{drop * POINT:+.2f}" if in_points(metric) else f"{drop:+.{DIGITS}g}"


def interval_text(proof: AccuracyProof) -> str:
    """``99.20 % (97.96-99.69)``, ``0.01234 (0.0112 to 0.01305)``; without an interval the value alone."""
    value = value_text(proof.metric, proof.value)
    if proof.interval is Interval.NONE:
        return value
    if in_points(proof.metric):
        return f"{value} ({proof.low * POINT:.2f}-{proof.high * POINT:.2f})"
    return f"{value} ({_plain(proof.metric, proof.low)} to {_plain(proof.metric, proof.high)})"


def counted_text(proof: AccuracyProof) -> str:
    """``99.20 %, 496 of 500`` where samples are counted, otherwise the value alone."""
    counted = f", {proof.correct} of {proof.samples}" if proof.correct is not None else ""
    return value_text(proof.metric, proof.value) + counted


def share_text(share: float | None) -> str:
    """A share in per cent, to a tenth; nothing where there is none."""
    return "" if share is None else f"{share:.1%}".replace("%", " %")


def _plain(metric: Metric, value: float) -> str:
    return f"{value:.{COSINE_DIGITS if metric is Metric.COSINE else DIGITS}g}"
