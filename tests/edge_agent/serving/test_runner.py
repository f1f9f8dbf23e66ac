"""Where a run happens, and that nobody waits without bound."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Mapping

import msgspec

from edge_agent.serving.settings import ServingSettings
from edge_bundle.contract import CachePolicy
from edge_bundle.tensor import Tensor
from tests.edge_agent.serving.world import GatedEngine, ScaleEngine, contract, infer_body, served, serving

UNCACHED = contract(cache=CachePolicy(enabled=False))


class ThreadNotingEngine(ScaleEngine):
    """Notes which thread ran it."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[bool] = []

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.threads.append(threading.current_thread() is threading.main_thread())
        return super().run(inputs)


def test_a_quick_engine_moves_into_the_loop_once_measured() -> None:
    async def go() -> list[bool]:
        engine = ThreadNotingEngine()
        async with serving(served(engine, UNCACHED)) as server:
            for _ in range(3):
                assert (await server.send(infer_body())).status == 200
        return engine.threads

    assert asyncio.run(go()) == [False, True, True]


def test_a_quick_engine_moves_into_the_loop_under_steady_load_too() -> None:
    """Requests that queued behind the first run must not keep each other in the worker for ever."""

    async def go() -> list[bool]:
        engine = ThreadNotingEngine()
        async with serving(served(engine, UNCACHED)) as server:

            async def client() -> None:
                for _ in range(20):
                    assert (await server.send(infer_body())).status == 200

            await asyncio.gather(*(client() for _ in range(8)))
        return engine.threads

    threads = asyncio.run(go())
    assert len(threads) == 160
    assert threads.count(False) < 20  # the first run, and what a busy machine makes look slow


class MeetingEngine(ScaleEngine):
    """Each run waits for another one: they only end when two are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting = threading.Barrier(2)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.meeting.wait(30)
        return super().run(inputs)


def test_runs_of_an_engine_with_a_pool_overlap() -> None:
    async def go() -> list[int]:
        model = served(MeetingEngine(), UNCACHED)
        pooled = msgspec.structs.replace(model.manifest, runtime="wasm", threads=2)
        async with serving(dataclasses.replace(model, manifest=pooled)) as server:
            replies = await asyncio.gather(*(server.send(infer_body()) for _ in range(2)))
        return [reply.status for reply in replies]

    assert asyncio.run(go()) == [200, 200]


def test_an_engine_that_hangs_times_out_and_the_server_lives_on() -> None:
    async def go() -> None:
        engine = GatedEngine()
        model = served(engine, UNCACHED)
        async with serving(model, settings=ServingSettings(engine_timeout_s=0.05)) as server:
            first, second = await asyncio.gather(server.send(infer_body()), server.send(infer_body()))
            assert (first.status, second.status) == (504, 504)
            assert first.json["title"] == "EngineTimeoutError"
            assert (await server.get("/v2/health/live")).status == 200
            engine.gate.set()
            assert (await server.send(infer_body())).status == 200
            assert await model.retire()  # the runs that timed out have given their hold back

    asyncio.run(go())


def test_too_many_waiting_runs_are_told_to_come_back() -> None:
    async def go() -> None:
        engine = GatedEngine()
        async with serving(served(engine, UNCACHED), settings=ServingSettings(max_pending_runs=2)) as server:
            tasks = [asyncio.create_task(server.send(infer_body())) for _ in range(5)]
            await asyncio.sleep(0.1)
            engine.gate.set()
            replies = await asyncio.gather(*tasks)
            assert sorted(reply.status for reply in replies) == [200, 200, 503, 503, 503]
            refused = next(reply for reply in replies if reply.status == 503)
            assert (refused.headers["Retry-After"], refused.json["title"]) == ("1", "UnavailableError")

    asyncio.run(go())
