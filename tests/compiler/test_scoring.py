from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from compiler.dataset import load_evaluation
from compiler.latency import measure_latency, percentile
from compiler.scoring import accuracy, accuracy_by_slice, agreement, class_count
from compiler.variant_source import reference_source
from edge_bundle.contract_file import load_contract, parse_contract
from edge_bundle.errors import InvalidInputError
from edge_runtime.factory import open_engine
from tests.compiler.models import DIGITS, contract_text

RNG = np.random.default_rng(11)
SCORES = RNG.normal(size=(200, 5)).astype(np.float32)
LABELS = RNG.integers(0, 5, 200)


def test_accuracy_equals_sklearn() -> None:
    proof = accuracy(SCORES, LABELS)
    assert proof.value == accuracy_score(LABELS, SCORES.argmax(axis=1))
    assert proof.correct == proof.value * proof.samples


def test_slices_partition_the_set() -> None:
    slices = tuple("abc"[i % 3] for i in range(200))
    parts = accuracy_by_slice(SCORES, LABELS, slices)
    assert list(parts) == ["a", "b", "c"]
    assert sum(part.correct or 0 for part in parts.values()) == accuracy(SCORES, LABELS).correct
    assert sum(part.samples for part in parts.values()) == 200
    assert accuracy_by_slice(SCORES, LABELS, ()) == {}


def test_agreement_in_float64() -> None:
    other = SCORES.copy()
    other[7] = other[7][::-1]
    got = agreement(other, SCORES)
    assert got.top1 == np.mean(other.argmax(axis=1) == SCORES.argmax(axis=1))
    assert got.max_abs_diff == np.abs(other.astype(float) - SCORES.astype(float)).max()


def test_the_first_of_equal_scores_wins() -> None:
    assert accuracy(np.zeros((1, 3)), np.array([0])).correct == 1


@pytest.mark.parametrize("shape", [(-1,), (-1, 3, 3), (2, 3)], ids=["no classes", "a map", "two rows"])
def test_top1_needs_classes(shape: tuple[int, ...]) -> None:
    batch = shape[0] if shape[0] > 0 else -1
    contract = parse_contract(contract_text(inputs={"x": (batch, 4)}, outputs={"y": shape}), file="c")
    with pytest.raises(InvalidInputError, match=r"accuracy.output: expected an output of shape \[batch, classes\]"):
        class_count(contract, file="c")


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.floats(0.01, 1.0))
def test_percentile_is_nearest_rank(values: list[float], share: float) -> None:
    assert percentile(values, share) == np.quantile(values, share, method="inverted_cdf")


def test_latency_counts_single_runs() -> None:
    """A clock that ticks 1 us, 2 us, ... 200 us per run: the percentiles are known."""
    dataset = load_evaluation(DIGITS / "evaluation.npz", load_contract(DIGITS / "contract.toml").inputs)
    ticks = itertools.accumulate(step for run in range(1, 201) for step in (0, run * 1000))
    contract = load_contract(DIGITS / "contract.toml")
    with open_engine(reference_source((DIGITS / "digits.onnx").read_bytes(), contract)) as engine:
        proof = measure_latency(engine, dataset, runs=200, now_ns=lambda: next(ticks))
    assert (proof.p50_us, proof.p90_us, proof.p99_us, proof.runs) == (100.0, 180.0, 198.0, 200)
