"""Bits that change: an engine that flips one at a chosen moment, and what each moment says of a numeric class."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest

from compiler.compile import compile_bundle
from compiler.dataset import Dataset
from compiler.measuring.determinism import (
    BATCH_ROWS,
    MAX_THREAD_COUNTS,
    Plan,
    Trial,
    check_claim,
    look_for_differences,
    plan_for,
    plan_of,
    thread_counts,
)
from compiler.measuring.fresh_process import FreshRun, digest_outputs
from edge_bundle.contract import AccuracyTarget, Contract, Limits, TensorRule
from edge_bundle.errors import NumericClassError
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import DeterminismProof, PlacementProof
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.engine import EngineSource
from edge_runtime.onnxruntime_engine import OnnxRuntimeEngine
from tests.compiler.models import digits_request

X = TensorSpec(name="x", dtype=DType.FP32, shape=(-1, 4))
Y = TensorSpec(name="y", dtype=DType.FP32, shape=(-1, 4))
SOURCE = EngineSource(runtime="fake", files={}, entrypoint="", inputs=(X,), outputs=(Y,))
SAMPLES = 5
DIGITS_SAMPLES = 500
PLAN = Plan(samples=SAMPLES, threads=(1, 2, 4), batch_rows=4)
ANYTHING = frozenset(Trial)


@dataclass(frozen=True)
class Moment:
    """One run: by which engine, its how-many-th, in a fresh process or not, with how many threads and rows."""

    engine: int
    run: int
    fresh: bool
    threads: int
    rows: int


Flip = Callable[[Moment], int | None]
"""The row whose first bit is another, or ``None``."""


@dataclass
class World:
    """Opens engines that all share one fault."""

    flip: Flip
    engines: int = 0

    def open(self, source: EngineSource, *, fresh: bool = False) -> FakeEngine:
        self.engines += 1
        return FakeEngine(self, self.engines, source.threads, fresh)

    def in_process(
        self, source: EngineSource, rows: Sequence[Mapping[str, Tensor]], *, filled_memory: bool = False
    ) -> FreshRun:
        engine = self.open(source, fresh=True)
        answers = [{name: bytes(one.data) for name, one in engine.run(row).items()} for row in rows]
        peak = 1000 + 1000 * filled_memory
        return FreshRun(peak_rss_bytes=peak, answers=tuple(map(digest_outputs, answers)))


@dataclass
class FakeEngine:
    """``y = 2 x``, but for one bit."""

    world: World
    number: int
    threads: int
    fresh: bool
    runs: int = 0
    inputs: tuple[TensorSpec, ...] = (X,)
    outputs: tuple[TensorSpec, ...] = (Y,)
    runtime_version: str = "1"
    placement: PlacementProof | None = field(default=None)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.runs += 1
        result = to_array(inputs["x"]) * np.float32(2.0)
        row = self.world.flip(Moment(self.number, self.runs, self.fresh, self.threads, len(result)))
        if row is not None:
            result.view(np.uint32)[row, 0] ^= 1
        return {"y": to_tensor(result)}

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def dataset(samples: int = SAMPLES) -> Dataset:
    rows = np.arange(samples * 4, dtype=np.float32).reshape(samples, 4)
    return Dataset(
        digest="", samples=samples, arrays={"x": rows}, stacked=frozenset(), labels=np.zeros(samples, np.int64), slices=()
    )  # fmt: skip


def look(flip: Flip, plan: Plan = PLAN, **changes: Any) -> Any:
    world = World(flip)
    source = replace(SOURCE, **changes)
    return look_for_differences(
        world.open(source), source, dataset(), plan, opener=world.open, in_process=world.in_process
    )


FAULTS = [
    pytest.param(
        lambda m: 0 if m.engine == 1 and m.run == 2 * SAMPLES + 3 else None,
        Trial.REPEATS, "output 'y' of sample 2 in run 3 by one engine", id="on-the-thirteenth-call",
    ),
    pytest.param(
        lambda m: 0 if m.engine > 1 and not m.fresh and m.threads == 1 else None,
        Trial.ENGINES, "output 'y' of sample 0 by engine 2", id="in-another-engine",
    ),
    pytest.param(
        lambda m: 0 if m.fresh else None, Trial.PROCESSES, "output 'y' of sample 0 in process 2", id="in-another-process",
    ),
    pytest.param(
        lambda m: 0 if m.threads == 2 else None, Trial.THREADS, "output 'y' of sample 0 on 2 threads", id="on-two-threads",
    ),
    pytest.param(
        lambda m: 2 if m.rows > 1 else None,
        Trial.BATCHES, "output 'y' of sample 2 at place 3 of a batch of 4", id="at-batch-position-three",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("flip", "trial", "text"), FAULTS)
def test_the_run_whose_bit_changed_is_named(flip: Flip, trial: Trial, text: str) -> None:
    found = look(flip)
    assert [difference.trial for difference in found.differences] == [trial]
    assert found.proof.repeatable == (trial in (Trial.THREADS, Trial.BATCHES))
    assert found.proof.threads_agree == (trial is not Trial.THREADS)
    assert found.proof.batches_agree == (trial is not Trial.BATCHES)
    with pytest.raises(NumericClassError) as caught:
        check_claim(NumericClass.PORTABLE_EXACT, found, profile="p")
    assert str(caught.value) == f"pass prove: profile p: expected class portable-exact, got other bits in {text}"
    assert "approximate" in caught.value.advice


@pytest.mark.parametrize(("flip", "trial", "text"), FAULTS)
def test_host_exact_promises_nothing_of_threads_and_batches(flip: Flip, trial: Trial, text: str) -> None:
    found = look(flip)
    if trial in (Trial.THREADS, Trial.BATCHES):
        check_claim(NumericClass.HOST_EXACT, found, profile="p")
    else:
        with pytest.raises(NumericClassError, match=text):
            check_claim(NumericClass.HOST_EXACT, found, profile="p")
    check_claim(NumericClass.APPROXIMATE, found, profile="p")


def test_what_was_tried_is_said() -> None:
    found = look(lambda _: None)
    assert found.differences == ()
    proof = found.proof
    assert (proof.samples, proof.repeats, proof.engines, proof.processes) == (SAMPLES, 3, 2, 3)
    assert (proof.threads, proof.threads_agree) == ((1, 2, 4), True)
    assert (proof.batch_positions, proof.batches_agree) == (4, True)
    assert found.peak_rss_bytes == 1000, "memory is measured where it is not filled"
    assert plan_of(proof, cores=4) == PLAN
    assert plan_of(proof, cores=2) == replace(PLAN, threads=(1, 2))
    check_claim(NumericClass.PORTABLE_EXACT, found, profile="p")


@pytest.mark.parametrize("said", [pytest.param(0, id="nothing"), pytest.param(10**9, id="absurdly-much")])
def test_what_a_proof_says_was_tried_is_bounded(said: int) -> None:
    proof = DeterminismProof(
        samples=said, repeats=said, engines=said, processes=said, repeatable=True, threads=(said,) * 99,
        batch_positions=said,
    )  # fmt: skip
    plan = plan_of(proof, cores=2)
    assert plan.threads == ()
    assert 1 <= plan.samples <= Plan().samples
    assert 2 <= plan.processes <= Plan().processes
    assert 1 <= plan.batch_rows <= BATCH_ROWS
    assert look(lambda _: None, plan).differences == ()


def test_what_was_not_tried_is_not_claimed() -> None:
    proof = look(lambda _: None, Plan(samples=2, threads=(1,))).proof
    assert (proof.samples, proof.threads, proof.threads_agree) == (2, (), None)
    assert (proof.batch_positions, proof.batches_agree) == (0, None)


def test_every_fault_is_listed_once() -> None:
    found = look(lambda m: 0 if m.engine > 1 or m.run > SAMPLES else None)
    assert [difference.trial for difference in found.differences] == list(Trial)


@pytest.mark.parametrize(
    ("own", "cores", "counts"),
    [
        pytest.param(1, 1, (1,), id="one-core"),
        pytest.param(1, 2, (1, 2), id="two-cores"),
        pytest.param(1, 6, (1, 2, 4, 6), id="all-cores"),
        pytest.param(3, 4, (1, 2, 3, 4), id="the-variant-s-own"),
        pytest.param(2, 1, (1, 2), id="more-than-there-are"),
        pytest.param(64, 64, (1, 2, 4, 8, 64), id="bounded"),
    ],
)
def test_thread_counts(own: int, cores: int, counts: tuple[int, ...]) -> None:
    assert thread_counts(own, cores) == counts
    assert len(counts) <= MAX_THREAD_COUNTS


def contract(**changes: Any) -> Contract:
    return Contract(
        schema=1,
        name="m",
        version="1.0.0",
        owner="o",
        inputs=(TensorRule(name="x", dtype=DType.FP32, shape=(-1, 4)),),
        outputs=(TensorRule(name="y", dtype=DType.FP32, shape=(-1, 4)),),
        accuracy=AccuracyTarget(output="y"),
        **changes,
    )


def test_the_plan_fits_the_variant() -> None:
    engine = World(lambda _: None).open(SOURCE)
    plan = plan_for(engine, SOURCE, contract(), cores=2, emulated=False)
    assert (plan.threads, plan.batch_rows) == ((1, 2), BATCH_ROWS)
    assert plan_for(engine, SOURCE, contract(limits=Limits(max_batch=3)), cores=2, emulated=False).batch_rows == 3
    fixed = replace(SOURCE, inputs=(X, TensorSpec(name="s", dtype=DType.FP32, shape=(2, -1))))
    assert plan_for(engine, fixed, contract(), cores=2, emulated=False).batch_rows == 1
    on_npu = replace(engine, placement=PlacementProof(device="npu", nodes=1, on_device=1))
    assert plan_for(on_npu, SOURCE, contract(), cores=2, emulated=False).threads == ()
    emulated = plan_for(engine, SOURCE, contract(), cores=2, emulated=True)
    assert emulated.threads == ()
    assert emulated.samples < plan.samples


def test_a_compile_fails_by_the_profile_s_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit of one answer, long after the evaluation set has been scored."""
    run, calls = OnnxRuntimeEngine.run, itertools.count()

    def flipping(engine: OnnxRuntimeEngine, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        outputs = run(engine, inputs)
        if next(calls) != 2 * DIGITS_SAMPLES + PLAN.repeats * 7:
            return outputs
        (name, one), *_ = outputs.items()
        data = bytes(one.data)
        return {**outputs, name: Tensor(one.dtype, one.shape, bytes([data[0] ^ 1]) + data[1:])}

    monkeypatch.setattr(OnnxRuntimeEngine, "run", flipping)
    with pytest.raises(NumericClassError, match=r"profile cpu-fp32: expected class host-exact, got other bits in"):
        compile_bundle(digits_request(tmp_path / "bundle", "cpu-fp32"))
    assert not (tmp_path / "bundle").exists()
