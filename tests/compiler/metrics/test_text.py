"""Figures in words: per cent and points for shares and areas, the metric's own unit for the rest."""

from __future__ import annotations

import pytest

from compiler.metrics.text import amount_text, counted_text, drop_of, drop_text, interval_text, share_text, value_text
from edge_bundle.contract import Metric
from edge_bundle.proof import AccuracyProof, Interval


def _proof(metric: Metric, value: float, *, interval: Interval = Interval.BOOTSTRAP) -> AccuracyProof:
    correct = round(value * 500) if metric.is_share else None
    return AccuracyProof(
        metric=metric, correct=correct, samples=500, value=value, low=value - 0.01, high=value + 0.01, interval=interval
    )


@pytest.mark.parametrize(
    ("metric", "value", "texts"),
    [
        pytest.param(Metric.TOP1, 0.992, ("99.20 %", "99.20 % (98.20-100.20)", "99.20 %, 496 of 500"), id="top1"),
        pytest.param(Metric.AUC, 0.875, ("87.50 %", "87.50 % (86.50-88.50)", "87.50 %"), id="auc"),
        pytest.param(Metric.MAE, 0.123456, ("0.1235", "0.1235 (0.1135 to 0.1335)", "0.1235"), id="mae"),
        pytest.param(Metric.COSINE, 0.9999871, ("0.999987", "0.999987 (0.989987 to 1.00999)", "0.999987"), id="cosine"),
        pytest.param(Metric.FUNCTION, -12.0, ("-12", "-12 (-12.01 to -11.99)", "-12"), id="function"),
    ],
)
def test_values(metric: Metric, value: float, texts: tuple[str, str, str]) -> None:
    proof = _proof(metric, value)
    assert (value_text(metric, value), interval_text(proof), counted_text(proof)) == texts
    alone = _proof(metric, value, interval=Interval.NONE)
    assert interval_text(alone) == texts[0]


@pytest.mark.parametrize(
    ("metric", "got", "reference", "drop", "amount"),
    [
        pytest.param(Metric.TOP1, 0.90, 0.95, "+5.00", "5.00 points", id="a share fell"),
        pytest.param(Metric.MAE, 0.50, 0.25, "+0.25", "0.25", id="an error grew"),
        pytest.param(Metric.MAE, 0.25, 0.50, "-0.25", "-0.25", id="an error shrank"),
        pytest.param(Metric.AUC, 0.75, 0.75, "+0.00", "0.00 points", id="nothing changed"),
    ],
)
def test_drops(metric: Metric, got: float, reference: float, drop: str, amount: str) -> None:
    worse = drop_of(_proof(metric, got), _proof(metric, reference))
    assert (drop_text(metric, worse), amount_text(metric, worse)) == (drop, amount)
    assert drop_text(metric, -0.0) in ("+0.00", "+0")


def test_shares() -> None:
    assert (share_text(0.9876), share_text(None)) == ("98.8 %", "")
