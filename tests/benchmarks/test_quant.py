"""The comparison of quantizers: what judges them, and what counts as good enough."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.quant.held_out import HELD_OUT
from benchmarks.quant.mfcc import mfcc
from benchmarks.quant.report import rows, table
from benchmarks.quant.score import Score, not_worse
from benchmarks.subjects import DEFAULT_MODELS
from examples.real_models.prepare import RECIPES

COUNTS = {"kws": 1200, "ic": 1200, "mobilenetv2": 200, "ad": 650}

there = pytest.mark.skipif(not DEFAULT_MODELS.is_dir(), reason=f"needs the real models in {DEFAULT_MODELS}")


def score(right: int, *, of: int = 400, db: float = 20.0, noise: NDArray[np.float64] | None = None) -> Score:
    same = np.arange(of) < right
    return Score(logits_db=db, output_db=db, noise=np.ones(of) if noise is None else noise, same=same)


@there
@pytest.mark.parametrize("model", COUNTS)
def test_inputs_are_fresh_and_the_same_each_time(model: str) -> None:
    folder = (DEFAULT_MODELS / RECIPES[model].file).parent
    found = HELD_OUT[model](folder)
    assert len(found) == COUNTS[model]
    np.testing.assert_array_equal(found, HELD_OUT[model](folder))
    calibration = RECIPES[model].data(folder, lambda _row: {}).calibration["input"]
    seen = {row.tobytes() for row in calibration}
    assert found.shape[1:] == calibration.shape[1:]
    assert not seen & {row.tobytes() for row in found}


@there
def test_features_are_those_of_the_reference() -> None:
    with np.load(DEFAULT_MODELS / "kws_dscnn" / "wavs.npz") as found:
        for audio, want in zip(found["audio"], found["mfcc"], strict=True):
            np.testing.assert_allclose(mfcc(audio), want, atol=1e-3)


@pytest.mark.parametrize(
    ("ours", "other", "want"),
    [
        pytest.param(score(390), score(385), True, id="better"),
        pytest.param(score(390), score(393), True, id="three-inputs-are-chance"),
        pytest.param(score(370), score(393), False, id="twenty-are-not"),
    ],
)
def test_agreement_is_judged_by_pairs(ours: Score, other: Score, want: bool) -> None:
    assert not_worse(ours, other, agreement=True) is want


def test_noise_is_judged_by_its_spread() -> None:
    one = np.ones(400)
    assert not not_worse(score(1, noise=one * 1.2), score(1, noise=one), agreement=False)
    few = np.where(np.arange(400) < 2, 50.0, 1.0)  # two inputs make the difference
    assert not_worse(score(1, noise=few), score(1, noise=one), agreement=False)


def test_rows_hold_ours_to_the_best() -> None:
    scores = {"m": {"ours": score(390, db=20.0), "A": score(391, db=21.0), "B": score(380, db=15.0)}}
    by_name = {row.name: row for row in rows(scores)}
    assert not by_name["m: SQNR before Softmax, ours"].ok
    assert by_name["m: same top class, ours (at least, or no significant difference)"].ok
    text = table(scores, {"m": (60, 400)}, ["ours", "A", "B"])
    assert "| m | 60 | 400 | SQNR before Softmax, dB | 20.0 | **21.0** | 15.0 |" in text
    assert math.isclose(float(text.split("**")[-2]), 97.8, abs_tol=0.06)
