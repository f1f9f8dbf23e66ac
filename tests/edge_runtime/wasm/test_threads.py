"""Several threads in one engine: each run has an instance to itself, and Python goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_runtime.factory import open_engine
from edge_runtime.wasm.engine import WasmEngine
from edge_runtime.wasm.instance import Instance
from edge_runtime.wasm.pool import Pool
from tests.edge_runtime.wasm.modules import RUN, artifact, expected, rows, source

SPIN = """(local $i i32)
  (if (f32.eq (f32.load (i32.const 1024)) (f32.const 13)) (then
    (loop $spin (br_if $spin (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))))
"""
LONG = SPIN.format(count=300_000_000) + RUN
"""For an input that begins with 13, a run of about a tenth of a second."""


def open_wasm(*batches: int, threads: int, run: str = RUN) -> WasmEngine:
    return cast(WasmEngine, open_engine(source(artifact(*batches, run=run), threads=threads)))


def test_python_goes_on_while_a_run_is_under_way() -> None:
    """A second run gets an instance of its own: the first one, under way, did not keep it from starting."""
    x = rows(1, first=13.0)
    with open_wasm(1, threads=2, run=LONG) as engine, ThreadPoolExecutor(2) as executor:
        assert engine.instances == 1
        for _ in range(20):  # on a busy machine the second thread may come late
            answers = list(executor.map(engine.run, [{"x": x}] * 2))
            assert answers == [{"y": expected(x)}] * 2
            if engine.instances == 2:
                break
        assert engine.instances == 2


def test_no_more_instances_than_threads() -> None:
    x = rows(1, first=13.0)
    with open_wasm(1, threads=2, run=SPIN.format(count=3_000_000) + RUN) as engine, ThreadPoolExecutor(6) as executor:
        answers = list(executor.map(engine.run, [{"x": x}] * 40))
        assert answers == [{"y": expected(x)}] * 40
        assert engine.instances <= 2


@pytest.mark.parametrize("threads", [1, 3])
def test_answers_are_never_mixed_up(threads: int) -> None:
    with open_wasm(1, 4, threads=threads) as engine, ThreadPoolExecutor(8) as executor:
        inputs = [rows(1 + number % 7, first=float(number)) for number in range(400)]
        answers = list(executor.map(lambda x: engine.run({"x": x}), inputs))
        assert answers == [{"y": expected(x)} for x in inputs]
        assert engine.instances <= 2 * threads


def test_failures_of_one_thread_leave_the_others_alone() -> None:
    guarded = f"(if (f32.eq (f32.load (i32.const 1024)) (f32.const 13)) (then (unreachable))) {RUN}"
    with open_wasm(1, threads=2, run=guarded) as engine, ThreadPoolExecutor(4) as executor:

        def ask(number: int) -> bool:
            x = rows(1, first=13.0 if number % 5 == 0 else 1.0)
            try:
                return engine.run({"x": x}) == {"y": expected(x)}
            except EngineError:
                return number % 5 == 0

        assert all(executor.map(ask, range(200)))
        assert engine.instances <= 2


def test_closing_lets_runs_under_way_end() -> None:
    x = rows(1, first=13.0)
    with ThreadPoolExecutor(1) as executor:
        engine = open_wasm(1, threads=1, run=LONG)
        under_way = executor.submit(engine.run, {"x": x})
        while engine._programs[0]._pool._idle and not under_way.done():
            pass
        engine.close()
        assert under_way.result() == {"y": expected(x)}
        assert engine.instances == 0
        with pytest.raises(AlreadyClosedError):
            engine.run({"x": x})


class FakeInstance:
    """Counts; the pool needs nothing of an instance but ``close``."""

    alive = 0

    def __init__(self) -> None:
        FakeInstance.alive += 1

    def close(self) -> None:
        FakeInstance.alive -= 1


def pool_of(limit: int, make: Callable[[], object] = FakeInstance) -> Pool:
    FakeInstance.alive = 0
    return Pool(cast(Callable[[], Instance], make), limit)


def test_the_pool_reuses_the_instance_used_last() -> None:
    pool = pool_of(3)
    first, second = pool.take(), pool.take()
    pool.give(first)
    pool.give(second)
    assert pool.take() is second
    assert pool.made == FakeInstance.alive == 2


def test_an_instance_that_cannot_start_frees_its_place() -> None:
    attempts = 0

    def make() -> object:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise EngineError(runtime="wasm", detail="cannot start: no memory")
        return FakeInstance()

    pool = pool_of(1, make)
    with pytest.raises(EngineError, match="no memory"):
        pool.take()
    assert pool.made == 0
    pool.give(pool.take())
    assert pool.made == 1


def test_whoever_waits_gets_the_next_one_or_the_news_that_it_is_over() -> None:
    pool = pool_of(1)
    held = pool.take()
    got: list[object] = []

    def wait() -> None:
        try:
            got.append(pool.take())
        except AlreadyClosedError as error:
            got.append(error)

    waiting = [threading.Thread(target=wait) for _ in range(2)]
    for thread in waiting:
        thread.start()
    while pool._waiting < 2:
        pass
    pool.give(held)
    while not got:
        pass
    assert got == [held]
    pool.close()
    for thread in waiting:
        thread.join(10)
    assert isinstance(got[1], AlreadyClosedError)
    assert FakeInstance.alive == 1, "still in use"
    pool.give(held)
    assert FakeInstance.alive == pool.made == 0


def test_dropping_makes_room_for_whoever_waits() -> None:
    pool = pool_of(1)
    held = pool.take()
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(pool.take)
        while not pool._waiting:
            pass
        pool.drop(held)
        assert waiting.result(10) is not held
    assert pool.made == FakeInstance.alive == 1
