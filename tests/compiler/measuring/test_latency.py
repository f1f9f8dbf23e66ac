from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.dataset import load_evaluation
from compiler.measuring.latency import measure_latency, percentile
from compiler.measuring.variant_source import reference_source
from edge_bundle.contract_file import load_contract
from edge_runtime.factory import open_engine
from tests.compiler.models import DIGITS


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
