from __future__ import annotations

import pytest

from compiler.metrics.wilson import wilson_interval
from compiler.promises import check_accuracy, check_latency, shortfall
from edge_bundle.contract import Contract, Metric
from edge_bundle.contract_file import parse_contract
from edge_bundle.errors import ContractNotMetError
from edge_bundle.proof import AccuracyProof, Interval, LatencyProof
from tests.compiler.models import contract_text


def _contract(accuracy: str = "", extra: str = "") -> Contract:
    text = contract_text(inputs={"x": (-1, 4)}, outputs={"y": (-1, 3)}, accuracy=accuracy, extra=extra)
    return parse_contract(text, file="contract.toml")


def _proof(correct: int, samples: int = 1000) -> AccuracyProof:
    low, high = wilson_interval(correct, samples)
    return AccuracyProof(
        metric=Metric.TOP1, correct=correct, samples=samples, value=correct / samples, low=low, high=high
    )


@pytest.mark.parametrize(
    ("got", "reference", "accuracy"),
    [
        pytest.param(900, 900, "max_drop = 0.0", id="equal"),
        pytest.param(905, 900, "max_drop = 0.0", id="better"),
        pytest.param(895, 900, "max_drop = 0.005", id="exactly the drop"),
        pytest.param(900, 900, "minimum = 0.9", id="exactly the minimum"),
    ],
)
def test_kept(got: int, reference: int, accuracy: str) -> None:
    check_accuracy(_contract(accuracy), "cpu-int8", _proof(got), _proof(reference))


def test_a_drop_says_by_how_much() -> None:
    with pytest.raises(ContractNotMetError) as refusal:
        check_accuracy(_contract("max_drop = 0.005"), "cpu-int8", _proof(880), _proof(900))
    assert str(refusal.value) == (
        "profile cpu-int8: accuracy.max_drop: expected at most 0.50 points below the fp32 model (90.00 %, 900 of 1000), "
        "got 2.00 points below (88.00 %, 880 of 1000), 1.50 points too much"
    )
    assert refusal.value.advice


def test_too_low() -> None:
    with pytest.raises(ContractNotMetError, match=r"expected at least 95.00 %, got 94.00 %.* 1.00 points too low"):
        check_accuracy(_contract("minimum = 0.95"), "cpu-fp32", _proof(940), _proof(940))


def test_latency() -> None:
    contract = _contract("", "[latency]\np99_ms = 2.0")
    quick = LatencyProof(p50_us=10, p90_us=20, p99_us=2000.0, runs=200)
    check_latency(contract, "cpu-fp32", quick)
    check_latency(_contract(), "cpu-fp32", LatencyProof(p50_us=10, p90_us=20, p99_us=9e9, runs=200))
    slow = LatencyProof(p50_us=10, p90_us=20, p99_us=2001.0, runs=200)
    with pytest.raises(ContractNotMetError, match=r"latency.p99_ms: expected at most 2 ms, got 2.001 ms over 200 runs"):
        check_latency(contract, "cpu-fp32", slow)


def _plain(metric: Metric, value: float) -> AccuracyProof:
    return AccuracyProof(metric=metric, samples=9, value=value, low=value, high=value, interval=Interval.NONE)


@pytest.mark.parametrize(
    ("accuracy", "metric", "values", "text"),
    [
        pytest.param(
            'metric = "mae"\nmax_drop = 0.1', Metric.MAE, (0.5, 0.25),
            "accuracy.max_drop: expected at most 0.1 above the fp32 model (0.25), got 0.25 above (0.5), 0.15 too much",
            id="an error that grew",
        ),
        pytest.param(
            'metric = "mae"\nmax_drop = 1.0\nmaximum = 0.4', Metric.MAE, (0.5, 0.25),
            "accuracy.maximum: expected at most 0.4, got 0.5, 0.1 too high",
            id="an error that is too large",
        ),
        pytest.param(
            'metric = "cosine"\nmax_drop = 0.01', Metric.COSINE, (0.97, 1.0),
            "accuracy.max_drop: expected at most 0.01 below the fp32 model (1), got 0.03 below (0.97), 0.02 too much",
            id="a cosine that fell",
        ),
        pytest.param(
            'metric = "auc"\nminimum = 0.9\nmax_drop = 1.0', Metric.AUC, (0.85, 0.85),
            "accuracy.minimum: expected at least 90.00 %, got 85.00 %, 5.00 points too low",
            id="an area that is too small",
        ),
    ],
)  # fmt: skip
def test_every_metric_in_its_own_unit(accuracy: str, metric: Metric, values: tuple[float, float], text: str) -> None:
    got, reference = (_plain(metric, value) for value in values)
    with pytest.raises(ContractNotMetError) as refusal:
        check_accuracy(_contract(accuracy), "p", got, reference)
    assert str(refusal.value) == f"profile p: {text}"
    assert shortfall(_contract(accuracy), got, reference) > 0.0
    assert shortfall(_contract(accuracy), reference, reference) <= 0.0 or "minimum" in accuracy


def test_a_better_error_is_no_drop() -> None:
    check_accuracy(_contract('metric = "mae"\nmax_drop = 0.0'), "p", _plain(Metric.MAE, 0.1), _plain(Metric.MAE, 0.2))
