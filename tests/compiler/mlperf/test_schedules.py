from __future__ import annotations

import statistics
from itertools import islice, pairwise

from compiler.mlperf.arrivals import picks, poisson
from compiler.mlperf.queries import MAX_PREPARED, MAX_PREPARED_BYTES, Samples, is_batchable, prepare
from compiler.mlperf.scenario import NS_PER_S
from compiler.mlperf.server_search import highest_rate, is_steady
from edge_bundle.tensor import DType, Tensor, TensorSpec
from tests.compiler.mlperf.fakes import SPEC, samples


def test_arrivals_are_poisson() -> None:
    """Gaps of an exponential distribution: mean and deviation are both one over the rate."""
    times = poisson(200.0, queries=20_000, duration_ns=0, seed=1)
    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) == 20_000
    assert min(gaps) >= 0
    assert abs(statistics.fmean(gaps) / (NS_PER_S / 200) - 1) < 0.03
    assert abs(statistics.stdev(gaps) / (NS_PER_S / 200) - 1) < 0.03


def test_a_seed_fixes_the_schedule() -> None:
    assert poisson(50.0, queries=100, duration_ns=0, seed=7) == poisson(50.0, queries=100, duration_ns=0, seed=7)
    assert poisson(50.0, queries=100, duration_ns=0, seed=7) != poisson(50.0, queries=100, duration_ns=0, seed=8)
    assert list(islice(picks(9, seed=3), 20)) == list(islice(picks(9, seed=3), 20))
    assert set(islice(picks(4, seed=3), 100)) == {0, 1, 2, 3}


def test_a_schedule_lasts_as_long_as_asked() -> None:
    times = poisson(100.0, queries=10, duration_ns=2 * NS_PER_S, seed=0)
    assert times[-1] >= 2 * NS_PER_S > times[-2]


def test_batches_are_neighbours() -> None:
    found = prepare(samples(5), 3, seed=0)
    assert len(found) == 5
    for batch in found:
        tensor = batch["x"]
        first = tensor.data[0]
        assert tensor.shape == (3, 2)
        assert list(tensor.data) == [value for step in range(3) for value in [(first + step) % 5] * 2]
    assert found == prepare(samples(5), 3, seed=0)


def test_a_batch_of_one_is_the_sample_itself() -> None:
    own = samples(3)
    assert {id(row) for row in prepare(own, 1, seed=0)} == {id(row) for row in own.rows}


def test_prepared_queries_are_bounded() -> None:
    assert len(prepare(samples(200), 1, seed=0)) == 200
    assert len(prepare(Samples(rows=[*samples(200).rows] * 10, source="", batchable=True), 1, seed=0)) == MAX_PREPARED
    large = Tensor(DType.UINT8, (1, MAX_PREPARED_BYTES // 2), b"")
    assert len(prepare(Samples(rows=[{"x": large}] * 9, source="", batchable=True), 1, seed=0)) == 2


def test_what_can_be_batched() -> None:
    fixed = TensorSpec(name="sr", dtype=DType.INT64, shape=())
    assert is_batchable((SPEC,))
    assert not is_batchable((SPEC, fixed))


def test_bisection_closes_in() -> None:
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate <= 610.0

    assert 600.0 < highest_rate(1000.0, holds) <= 610.0
    assert len(tried) == 7
    assert highest_rate(1000.0, lambda _: False) == 0.0


def test_a_growing_queue_is_not_steady() -> None:
    assert is_steady([])
    assert is_steady([5] * 100)
    assert is_steady([5] * 99 + [100_000])
    assert not is_steady(list(range(1000)))
