"""Every metric's value against another implementation, and what is right for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    roc_auc_score,
    top_k_accuracy_score,
)
from sklearn.metrics.pairwise import paired_cosine_distances

from compiler.metrics.agreement import agreement, sqnr_db
from edge_bundle.contract import Metric
from tests.compiler.metrics.worlds import evaluation, judge

RNG = np.random.default_rng(11)
SCORES = RNG.normal(size=(200, 5)).astype(np.float32)
CLASSES = RNG.integers(0, 5, 200)
BINARY = RNG.integers(0, 2, 200)
MAPS = RNG.normal(size=(200, 3, 4)).astype(np.float32)
NEAR = (MAPS + RNG.normal(scale=0.1, size=MAPS.shape)).astype(np.float32)


def test_top1_is_sklearns_accuracy() -> None:
    over = judge("", evaluation(200, CLASSES))
    proof = over.accuracy(over.score(SCORES))
    assert proof.value == accuracy_score(CLASSES, SCORES.argmax(axis=1))
    assert proof.correct == proof.value * proof.samples


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_top_k_is_sklearns(k: int) -> None:
    over = judge(f'metric = "top-k"\nk = {k}', evaluation(200, CLASSES))
    assert over.score(SCORES).value == top_k_accuracy_score(CLASSES, SCORES, k=k)


@pytest.mark.parametrize(
    ("row", "label", "k", "right"),
    [
        pytest.param((0, 0, 0), 0, 1, True, id="the first of equals is first"),
        pytest.param((0, 0, 0), 1, 1, False, id="the second of equals is not"),
        pytest.param((0, 0, 0), 1, 2, True, id="but second"),
        pytest.param((1, 9, 1), 2, 2, False, id="a tie behind the best"),
        pytest.param((1, 9, 2), 2, 2, True, id="second best"),
    ],
)
def test_ties(row: tuple[int, ...], label: int, k: int, right: bool) -> None:
    over = judge(f'metric = "top-k"\nk = {k}', evaluation(1, np.array([label])), shape=(-1, 3))
    assert over.score(np.array([row])).value == right


def test_classes_may_lie_along_any_one_dimension() -> None:
    over = judge("", evaluation(200, CLASSES), shape=(-1, 5, 1, 1))
    flat = judge("", evaluation(200, CLASSES))
    assert over.score(SCORES.reshape(200, 5, 1, 1)).value == flat.score(SCORES).value


@pytest.mark.parametrize("decimals", [7, 1, 0], ids=["distinct", "some ties", "mostly ties"])
def test_auc_is_sklearns(decimals: int) -> None:
    scores = np.round(SCORES[:, :1] + 0.5 * BINARY[:, None], decimals).astype(np.float32)
    over = judge('metric = "auc"', evaluation(200, BINARY), shape=(-1, 1))
    assert over.score(scores).value == pytest.approx(roc_auc_score(BINARY, scores[:, 0]), abs=1e-12)


def test_auc_of_two_columns() -> None:
    over = judge('metric = "auc"', evaluation(200, BINARY), shape=(-1, 2))
    columns = SCORES[:, :2].astype(np.float64)
    assert over.score(SCORES[:, :2]).value == pytest.approx(roc_auc_score(BINARY, columns[:, 1] - columns[:, 0]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=60))
def test_auc_counts_pairs(samples: list[tuple[int, bool]]) -> None:
    scores, labels = (np.array(column) for column in zip(*samples, strict=True))
    if len(set(labels.tolist())) < 2:
        return
    over = judge('metric = "auc"', evaluation(len(labels), labels.astype(np.int64)), shape=(-1, 1))
    pairs = [(a, b) for a in scores[labels] for b in scores[~labels]]
    assert over.score(scores[:, None]).value == pytest.approx(
        sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    )


def test_mae_is_sklearns() -> None:
    over = judge('metric = "mae"\nmaximum = 1.0', evaluation(200, MAPS), shape=(-1, 3, 4))
    want = mean_absolute_error(MAPS.reshape(200, -1).astype(float), NEAR.reshape(200, -1).astype(float))
    assert over.score(NEAR).value == pytest.approx(want, rel=1e-12)


def test_mae_of_whole_numbers() -> None:
    over = judge('metric = "mae"', evaluation(3, np.array([1, 2, 3])), shape=(-1, 1))
    assert over.score(np.array([[1.5], [2.0], [1.0]])).value == pytest.approx(2.5 / 3)


def test_cosine_is_sklearns() -> None:
    over = judge('metric = "cosine"', evaluation(200, MAPS), shape=(-1, 3, 4))
    want = 1 - paired_cosine_distances(MAPS.reshape(200, -1).astype(float), NEAR.reshape(200, -1).astype(float))
    assert over.score(NEAR).value == pytest.approx(want.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("got", "want", "cosine"),
    [
        pytest.param([0, 0], [0, 0], 1.0, id="both zero"),
        pytest.param([0, 0], [1, 0], 0.0, id="one zero"),
        pytest.param([2, 0], [1, 0], 1.0, id="length does not matter"),
        pytest.param([-1, 0], [1, 0], -1.0, id="opposite"),
        pytest.param([1e300, 1e300], [1e-300, 1e-300], 1.0, id="squares out of range"),
    ],
)
def test_cosines(got: list[float], want: list[float], cosine: float) -> None:
    over = judge('metric = "cosine"', evaluation(1, np.array([want])), shape=(-1, 2))
    assert over.score(np.array([got])).value == pytest.approx(cosine)


@pytest.mark.parametrize(
    ("outputs", "labels", "right"),
    [
        pytest.param(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]]), 0.5, id="whole numbers"),
        pytest.param(np.array([[0.1, 1]], np.float32), np.array([[0.1, 1]]), 1.0, id="the nearest float32"),
        pytest.param(np.array([[1, 0]]), np.array([[1.0, 0.5]]), 0.0, id="no integer is a half"),
        pytest.param(np.array([[2**53, 1]]), np.array([[2**53 + 1, 1]]), 0.0, id="beyond float64"),
        pytest.param(np.array([[True, False]]), np.array([[1, 0]]), 1.0, id="truth"),
    ],
)
def test_exact_match(outputs: np.ndarray, labels: np.ndarray, right: float) -> None:
    over = judge('metric = "exact-match"', evaluation(len(labels), labels), shape=(-1, 2))
    assert over.score(outputs).value == right


@pytest.mark.parametrize(
    ("accuracy", "perfect"),
    [
        pytest.param('metric = "top1"', 1.0, id="top1"),
        pytest.param('metric = "top-k"\nk = 2', 1.0, id="top-k"),
        pytest.param('metric = "mae"', 0.0, id="mae"),
        pytest.param('metric = "cosine"', 1.0, id="cosine"),
        pytest.param('metric = "exact-match"', 1.0, id="exact-match"),
    ],
)
def test_without_labels_the_fp32_model_is_right(accuracy: str, perfect: float) -> None:
    over = judge(f'{accuracy}\nagainst = "reference"', evaluation(200)).knowing(SCORES)
    reference = over.score(SCORES)
    assert reference.value == pytest.approx(perfect, abs=1e-12)
    other = over.score(np.roll(SCORES, 1, axis=0))
    assert (other.value > perfect) if over.metric.lower_is_better else (other.value < perfect)
    paired = over.paired(other, reference)
    assert paired is not None
    assert paired.drop > 0
    assert paired.p_value < 0.01


def test_slices_partition_the_set() -> None:
    over = judge("", evaluation(200, CLASSES, tuple("abc"[i % 3] for i in range(200))))
    scored = over.score(SCORES)
    parts = over.slices(scored)
    assert list(parts) == ["a", "b", "c"]
    assert sum(part.correct or 0 for part in parts.values()) == over.accuracy(scored).correct
    assert sum(part.samples for part in parts.values()) == 200
    alone = judge("", evaluation(200, CLASSES))
    assert alone.slices(alone.score(SCORES)) == {}


def test_agreement_in_float64() -> None:
    other = SCORES.copy()
    other[7] = other[7][::-1]
    got = agreement(other, SCORES, Metric.TOP1)
    assert got.top1 == np.mean(other.argmax(axis=1) == SCORES.argmax(axis=1))
    assert got.max_abs_diff == np.abs(other.astype(float) - SCORES.astype(float)).max()
    noise = np.square(other.astype(float) - SCORES).sum()
    assert got.sqnr_db == pytest.approx(10 * np.log10(np.square(SCORES.astype(float)).sum() / noise))


def test_agreement_of_outputs_that_are_no_scores() -> None:
    assert agreement(MAPS, MAPS, Metric.TOP1).top1 is None
    assert agreement(SCORES, SCORES, Metric.COSINE).top1 is None
    assert agreement(SCORES[:, :1], SCORES[:, :1], Metric.TOP1).top1 is None
    assert agreement(MAPS, MAPS, Metric.TOP1).sqnr_db is None
    assert sqnr_db(np.ones(3), np.zeros(3)) == 0.0
