"""The model table: swaps are atomic, engines are closed by their last user, exactly once."""

from __future__ import annotations

import asyncio

import pytest

from edge_agent.models import ModelTable
from edge_bundle.contract import CachePolicy
from edge_bundle.errors import NotFoundError
from tests.edge_agent.serving.world import GatedEngine, ScaleEngine, contract, infer_body, served, serving


def test_get_names_what_is_served() -> None:
    table = ModelTable()
    with pytest.raises(NotFoundError, match="no model named 'scale'"):
        table.get("scale")
    model = served()
    assert table.activate(model) is None
    assert table.get("scale") is table.get("scale", "1.0.0") is table.find("scale") is model
    with pytest.raises(NotFoundError, match=r"'2\.0\.0'") as raised:
        table.get("scale", "2.0.0")
    assert "1.0.0" in raised.value.advice


def test_activate_and_remove_return_what_they_replaced() -> None:
    table, first, second = ModelTable(), served(), served(version="1.0.1")
    table.activate(first)
    assert table.activate(first) is None
    assert table.activate(second) is first
    assert table.names() == ("scale",)
    assert table.remove("scale") is second
    assert table.remove("scale") is None
    assert table.find("scale") is None


def test_an_idle_variant_is_closed_at_once() -> None:
    engine = ScaleEngine()
    assert asyncio.run(served(engine).retire())
    assert engine.closed


def test_retiring_waits_for_the_last_user() -> None:
    async def go() -> None:
        engine = ScaleEngine()
        model = served(engine)
        model.users.enter()
        model.users.enter()
        retiring = asyncio.create_task(model.retire())
        await asyncio.sleep(0)
        model.users.leave()
        await asyncio.sleep(0)
        states = [engine.closed]
        model.users.leave()
        states.append(engine.closed)
        assert states == [False, True]
        assert await retiring

    asyncio.run(go())


def test_a_wait_that_runs_out_leaves_closing_to_the_last_user() -> None:
    async def go() -> None:
        engine = ScaleEngine()
        model = served(engine)
        model.users.enter()
        states = [await model.retire(timeout_s=0.01), engine.closed]
        model.users.leave()
        states.append(engine.closed)
        assert states == [False, False, True]

    asyncio.run(go())


def test_a_request_in_flight_finishes_on_the_variant_it_started_with() -> None:
    async def go() -> None:
        slow, quick = GatedEngine(), ScaleEngine(3.0)
        terms = contract(cache=CachePolicy(enabled=False))
        old, new = served(slow, terms), served(quick, terms, variant="e", version="1.0.1")
        async with serving(old) as server:
            before = asyncio.create_task(server.send(infer_body()))
            await asyncio.sleep(0.1)
            assert server.table.activate(new) is old
            retiring = asyncio.create_task(old.retire())
            after = await server.send(infer_body())
            assert (after.headers["Skerry-Release"], after.values[0]) == ("scale/1.0.1", 3.0)
            assert not slow.closed
            slow.gate.set()
            first = await before
            assert (first.headers["Skerry-Release"], first.values[0]) == ("scale/1.0.0", 2.0)
            assert await retiring
            assert slow.closed

    asyncio.run(go())


def test_swaps_under_load_lose_no_request() -> None:
    """Every answer comes whole from one variant; every replaced engine is closed exactly once, after its last run."""

    async def go() -> None:
        terms = contract(cache=CachePolicy(enabled=False))
        engines = [ScaleEngine(float(factor)) for factor in range(1, 41)]
        versions = [served(engine, terms, version=f"1.0.{index}") for index, engine in enumerate(engines)]
        done = asyncio.Event()
        async with serving(versions[0]) as server:

            async def client() -> int:
                answered = 0
                while not done.is_set():
                    reply = await server.send(infer_body())
                    factor = int(reply.headers["Skerry-Release"].rpartition(".")[2]) + 1.0
                    assert reply.values == [factor * value for value in (1.0, 2.0, 3.0, 4.0)]
                    answered += 1
                return answered

            async def swap() -> list[bool]:
                closed = []
                for version in versions[1:]:
                    await asyncio.sleep(0.005)
                    old = server.table.activate(version)
                    assert old is not None
                    closed.append(await old.retire())
                done.set()
                return closed

            *answered, closed = await asyncio.gather(*(client() for _ in range(8)), swap())
        assert all(isinstance(count, int) and count > 0 for count in answered)
        assert closed == [True] * 39
        assert [engine.closed for engine in engines] == [True] * 39 + [False]

    asyncio.run(go())
