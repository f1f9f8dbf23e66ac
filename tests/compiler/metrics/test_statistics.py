"""Intervals and tests against scipy, published examples, and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from compiler.metrics.bootstrap import mean_interval
from compiler.metrics.delong import delong_p
from compiler.metrics.draws import resamples, signs
from compiler.metrics.mcnemar import mcnemar_p
from compiler.metrics.ranking import Ranking
from compiler.metrics.sign_flip import sign_flip_p
from compiler.metrics.tango import tango_interval
from compiler.metrics.wilson import Z_95

RNG = np.random.default_rng(5)
SKEWED = RNG.gamma(0.5, size=300)

COUNTS = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60))


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_scipys_binomial_test(worse: int, better: int) -> None:
    want = stats.binomtest(worse, worse + better).pvalue if worse + better else 1.0
    assert mcnemar_p(worse, better) == pytest.approx(want, rel=1e-9)


def test_mcnemar_of_many_samples() -> None:
    assert mcnemar_p(50_000, 49_000) == pytest.approx(stats.binomtest(50_000, 99_000).pvalue, rel=1e-6)


@pytest.mark.parametrize(
    ("worse", "better", "samples", "low", "high"),
    [
        # Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014), table VI: the study of Bentur et al.
        pytest.param(1, 7, 21, -0.517, -0.026, id="bentur"),
        pytest.param(0, 0, 100, -0.037, 0.037, id="nothing changed"),
    ],
)
def test_published_intervals(worse: int, better: int, samples: int, low: float, high: float) -> None:
    assert tango_interval(worse, better, samples) == pytest.approx((low, high), abs=6e-4)


def _constrained_score(delta: float, worse: int, better: int, samples: int) -> float:
    """The score statistic from its definition: the nuisance share maximises the likelihood numerically."""

    def unlikely(share: float) -> float:
        cells = ((worse, share + delta), (better, share), (samples - worse - better, 1 - 2 * share - delta))
        return -float(sum(count * np.log(max(p, 1e-300)) for count, p in cells if count))

    low, high = max(0.0, -delta), (1 - delta) / 2
    share = float(optimize.minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x)
    return float((worse - better - samples * delta) / np.sqrt(samples * (2 * share + delta - delta**2)))


@pytest.mark.parametrize(("worse", "better", "samples"), [(9, 2, 50), (3, 0, 20), (12, 12, 400), (40, 20, 160)])
def test_tango_solves_the_score_equation(worse: int, better: int, samples: int) -> None:
    low, high = tango_interval(worse, better, samples)
    assert _constrained_score(low, worse, better, samples) == pytest.approx(Z_95, abs=1e-3)
    assert _constrained_score(high, worse, better, samples) == pytest.approx(-Z_95, abs=1e-3)


@settings(deadline=None)
@given(COUNTS)
def test_tango_is_around_the_drop_and_mirrored(case: tuple[int, int, int]) -> None:
    worse, better, rest = case
    samples = worse + better + rest
    low, high = tango_interval(worse, better, samples)
    assert -1.0 <= low <= (worse - better) / samples <= high <= 1.0
    assert tango_interval(better, worse, samples) == pytest.approx((-high, -low), abs=1e-9)
    if mcnemar_p(worse, better) < 0.02:
        assert not low <= 0.0 <= high


@pytest.mark.parametrize(("worse", "better", "samples"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_impossible_counts(worse: int, better: int, samples: int) -> None:
    with pytest.raises(ValueError, match="expected worse"):
        tango_interval(worse, better, samples)


def test_bootstrap_is_near_scipys() -> None:
    low, high = mean_interval(SKEWED)
    want = stats.bootstrap(
        (SKEWED,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1), vectorized=True
    ).confidence_interval
    width = want.high - want.low
    assert (low, high) == pytest.approx((want.low, want.high), abs=0.05 * width)


def test_bootstrap_repeats() -> None:
    assert mean_interval(SKEWED) == mean_interval(SKEWED.copy())
    assert mean_interval(np.ones(7)) == (1.0, 1.0)


def test_draws_are_even_and_keep_their_stream() -> None:
    drawn = np.concatenate([rows.reshape(-1) for rows in resamples(10, 4000)])
    assert len(drawn) == 40_000
    assert stats.chisquare(np.bincount(drawn, minlength=10)).pvalue > 1e-4
    assert next(resamples(10, 1)).tolist() == [[2, 7, 1, 5, 0, 3, 7, 1, 4, 6]]
    flips = np.concatenate(list(signs(70, 500)))
    assert flips.shape == (500, 70)
    assert set(np.unique(flips)) == {-1.0, 1.0}
    assert abs(flips.mean()) < 0.03


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_few_differences_are_enumerated(differences: list[int]) -> None:
    values = np.array(differences, dtype=float)
    patterns = np.array(list(itertools.product([-1, 1], repeat=len(values))))
    want = np.mean(np.abs(patterns @ values) >= abs(values.sum()) - 1e-9)
    assert sign_flip_p(values) == pytest.approx(want)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.2, 0.4])
def test_sign_flips_are_near_scipys(shift: float) -> None:
    differences = RNG.normal(size=80) + shift
    want = stats.permutation_test(
        (differences, np.zeros(80)), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=5000,
        rng=np.random.default_rng(2),
    ).pvalue  # fmt: skip
    assert sign_flip_p(differences) == pytest.approx(want, abs=0.03)


def test_no_difference_has_no_significance() -> None:
    assert sign_flip_p(np.zeros(50)) == 1.0
    assert delong_p(np.zeros(5), np.zeros(5)) == 1.0
    assert delong_p(np.ones(1), np.ones(5)) == 1.0
    assert delong_p(np.ones(5), np.ones(5)) == 0.0


def _areas(shift: float) -> tuple[Ranking, Ranking]:
    labels = RNG.integers(0, 2, 300).astype(bool)
    base = RNG.normal(size=300) + labels
    return Ranking(base + shift * RNG.normal(size=300), labels), Ranking(base, labels)


@pytest.mark.parametrize(("noise", "differs"), [(0.05, False), (3.0, True)])
def test_areas_are_compared_by_delong_and_bootstrap(noise: float, differs: bool) -> None:
    got, reference = _areas(noise)
    proof = got.paired(reference)
    assert proof.drop == reference.value - got.value
    assert proof.low <= proof.drop <= proof.high
    assert (proof.p_value < 0.01) is differs
    assert (proof.low > 0.0) is differs
    assert proof.test == "delong"


def test_delong_has_the_variance_of_the_bootstrap() -> None:
    got, reference = _areas(1.0)
    placed = [ref - new for new, ref in zip(got._placed(), reference._placed(), strict=True)]
    by_delong = np.sqrt(sum(part.var(ddof=1) / len(part) for part in placed))
    assert by_delong == pytest.approx(float(np.std(reference._replicates() - got._replicates())), rel=0.1)
    assert placed[0].mean() == pytest.approx(reference.value - got.value)
    assert placed[1].mean() == pytest.approx(reference.value - got.value)
