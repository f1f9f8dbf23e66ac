"""Reuse of answers over real HTTP: hits, coalescing, swaps, and the alarm when answers do not repeat."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from edge_agent.serving.settings import ServingSettings
from edge_agent.serving.steps.reuse import MISMATCH_EVENT
from edge_bundle.cache_key import cache_key
from edge_bundle.contract import CachePolicy, OnViolation
from edge_bundle.errors import EngineError
from edge_bundle.manifest import NumericClass
from tests.edge_agent.serving.test_cache import Hands
from tests.edge_agent.serving.world import (
    INPUT,
    DriftingEngine,
    GatedEngine,
    Reply,
    ScaleEngine,
    Server,
    binary_request,
    contract,
    digest,
    fp32,
    infer_body,
    rule,
    served,
    serving,
)

STORED, HIT, BYPASS = "skerry; fwd=miss; stored", "skerry; hit", "skerry; fwd=bypass"
ALWAYS = ServingSettings(recheck_share=1.0)
NEVER = ServingSettings(recheck_share=0.0)


def test_a_repeat_is_answered_from_the_cache_bit_for_bit() -> None:
    async def go() -> None:
        engine = ScaleEngine()
        async with serving(served(engine), settings=NEVER) as server:
            body, headers = binary_request(fp32([1.5, -2.25, 0.1, 99.0]))
            first = await server.send(body, **headers)
            second = await server.send(body, **headers)
            assert (first.headers["Cache-Status"], second.headers["Cache-Status"]) == (STORED, HIT)
            assert first.body == second.body
            assert engine.runs == 1
            assert first.headers["Skerry-Release"] == "scale/1.0.0"
            assert first.headers["Skerry-Variant"] == digest("a")

    asyncio.run(go())


def test_one_entry_serves_every_rendering() -> None:
    async def go() -> None:
        engine = ScaleEngine()
        async with serving(served(engine), settings=NEVER) as server:
            plain = await server.send(infer_body(id="one"))
            asked = {"name": "y", "parameters": {"binary_data": True}}
            binary = await server.send(infer_body(id="two", outputs=[asked]))
            length = int(binary.headers["Inference-Header-Content-Length"])
            assert plain.json["id"] == "one"
            assert json.loads(binary.body[:length])["id"] == "two"
            assert binary.body[length:] == fp32(plain.values).data
            body, headers = binary_request(fp32([1.0, 2.0, 3.0, 4.0]))
            assert (await server.send(body, **headers)).headers["Cache-Status"] == HIT
            assert engine.runs == 1

    asyncio.run(go())


def test_the_key_is_the_agreed_one() -> None:
    async def go() -> str:
        async with serving(served()) as server:
            return (await server.send(infer_body())).headers["Skerry-Cache-Key"]

    expected = cache_key(
        model_digest=digest("d"),
        scope=digest("a"),
        contract_digest=digest("c"),
        hook_digest="",
        inputs=[(INPUT, fp32([1.0, 2.0, 3.0, 4.0]))],
    )
    assert asyncio.run(go()) == expected


@pytest.mark.parametrize(
    ("numeric_class", "policy", "cached"),
    [
        pytest.param(NumericClass.HOST_EXACT, CachePolicy(), True, id="host-exact"),
        pytest.param(NumericClass.PORTABLE_EXACT, CachePolicy(), True, id="portable-exact"),
        pytest.param(NumericClass.APPROXIMATE, CachePolicy(), False, id="approximate"),
        pytest.param(NumericClass.APPROXIMATE, CachePolicy(allow_approximate=True), True, id="approximate-allowed"),
        pytest.param(NumericClass.HOST_EXACT, CachePolicy(enabled=False), False, id="disabled-by-contract"),
    ],
)
def test_what_may_be_cached(numeric_class: NumericClass, policy: CachePolicy, cached: bool) -> None:
    async def go() -> None:
        model = served(terms=contract(cache=policy), numeric_class=numeric_class)
        async with serving(model, settings=NEVER) as server:
            replies = [await server.send(infer_body()) for _ in range(2)]
            assert [reply.headers["Cache-Status"] for reply in replies] == ([STORED, HIT] if cached else [BYPASS] * 2)
            assert all(("Skerry-Cache-Key" in reply.headers) == cached for reply in replies)

    asyncio.run(go())


def test_the_ttl_of_the_contract_ends_an_entry() -> None:
    async def go() -> None:
        clock = Hands()
        model = served(terms=contract(cache=CachePolicy(ttl_s=30.0)))
        async with serving(model, settings=NEVER, clock_s=clock) as server:
            for pause_s, status in ((0.0, STORED), (29.0, HIT), (1.0, STORED), (0.0, HIT)):
                clock.now_s += pause_s
                assert (await server.send(infer_body())).headers["Cache-Status"] == status

    asyncio.run(go())


def test_an_activation_leaves_the_old_answers_behind() -> None:
    async def go() -> None:
        old, new = served(ScaleEngine(2.0)), served(ScaleEngine(3.0), variant="e", version="1.0.1")
        async with serving(old, settings=NEVER) as server:
            await server.send(infer_body())
            assert server.table.activate(new) is old
            fresh = await server.send(infer_body())
            assert (fresh.headers["Cache-Status"], fresh.values[0]) == (STORED, 3.0)
            assert server.table.activate(old) is new
            again = await server.send(infer_body())
            assert (again.headers["Cache-Status"], again.values[0]) == (STORED, 2.0)

    asyncio.run(go())


def test_portable_variants_of_one_release_do_not_share_answers() -> None:
    async def go() -> None:
        floats = served(ScaleEngine(2.0), numeric_class=NumericClass.PORTABLE_EXACT)
        integers = served(ScaleEngine(3.0), numeric_class=NumericClass.PORTABLE_EXACT, variant="e")
        assert (floats.model_digest, floats.contract_digest) == (integers.model_digest, integers.contract_digest)
        async with serving(floats, settings=NEVER) as server:
            first = await server.send(infer_body())
            server.table.activate(integers)
            second = await server.send(infer_body())
            assert second.headers["Cache-Status"] == STORED
            assert (first.values[0], second.values[0]) == (2.0, 3.0)
            assert first.headers["Skerry-Cache-Key"] != second.headers["Skerry-Cache-Key"]

    asyncio.run(go())


def test_marks_come_back_with_the_cached_answer() -> None:
    terms = contract(outputs=(rule("y", maximum=1.0, on_violation=OnViolation.CLIP),))

    async def go() -> None:
        async with serving(served(terms=terms), settings=NEVER) as server:
            for _ in range(2):
                reply = await server.send(infer_body())
                assert reply.headers["Skerry-Contract"] == 'clipped; output="y"'
                assert reply.values == [1.0] * 4
            assert server.recorder.meters()[0].window.clipped == 2

    asyncio.run(go())


async def _together(
    server: Server, count: int, engine: GatedEngine, *, cancel: int | None = None
) -> list[Reply | None]:
    """Send equal requests at once, let them pile up, cancel one if asked, then open the engine's gate."""
    tasks = [asyncio.create_task(server.send(infer_body())) for _ in range(count)]
    await asyncio.sleep(0.1)
    if cancel is not None:
        tasks[cancel].cancel()
        await asyncio.sleep(0.05)
    engine.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [item if isinstance(item, Reply) else None for item in results]


def test_concurrent_misses_run_the_engine_once() -> None:
    async def go() -> None:
        engine = GatedEngine()
        async with serving(served(engine), settings=NEVER) as server:
            replies = await _together(server, 5, engine)
            statuses = sorted(reply.headers["Cache-Status"] for reply in replies if reply)
            assert statuses == ["skerry; fwd=miss; collapsed"] * 4 + [STORED]
            assert {reply.body for reply in replies if reply} == {replies[0].body if replies[0] else b""}
            assert engine.runs == 1
            window = server.recorder.meters()[0].window
            assert (window.hits, window.misses, window.samples) == (0, 5, 5)

    asyncio.run(go())


def test_an_engine_error_reaches_everyone_and_is_not_stored() -> None:
    async def go() -> None:
        engine = GatedEngine(EngineError(runtime="test", detail="node /conv: out of memory"))
        async with serving(served(engine), settings=NEVER) as server:
            replies = await _together(server, 4, engine)
            assert [reply.status for reply in replies if reply] == [500] * 4
            assert all("node /conv" in reply.json["error"] for reply in replies if reply)
            assert server.recorder.meters()[0].window.failed == 4
            engine.failure = None
            assert (await server.send(infer_body())).headers["Cache-Status"] == STORED

    asyncio.run(go())


def test_a_sampled_hit_that_repeats_stays_a_hit() -> None:
    async def go() -> None:
        engine = ScaleEngine()
        async with serving(served(engine), settings=ALWAYS) as server:
            await server.send(infer_body())
            reply = await server.send(infer_body())
            assert reply.headers["Cache-Status"] == "skerry; hit; detail=rechecked"
            assert (engine.runs, server.recorder.meters()[0].window.hits) == (2, 1)

    asyncio.run(go())


def test_a_mismatch_purges_disables_and_raises_an_alarm() -> None:
    async def go() -> None:
        async with serving(served(DriftingEngine()), settings=ALWAYS) as server:
            first = await server.send(infer_body())
            second = await server.send(infer_body())
            third = await server.send(infer_body())
            assert [reply.headers["Cache-Status"] for reply in (first, second, third)] == [STORED, BYPASS, BYPASS]
            assert second.values != first.values  # the client gets the fresh answer
            assert "Skerry-Cache-Key" not in second.headers
            (event,) = server.recorder.take_events()
            assert (event.kind, event.model) == (MISMATCH_EVENT, "scale")
            assert digest("a") in event.detail
            window = server.recorder.meters()[0].window
            assert (window.hits, window.misses) == (0, 3)
            assert (await server.get("/v2/models/scale/stats")).json["model_stats"][0]["skerry"]["cache"][
                "mismatches"
            ] == 1

    asyncio.run(go())


def test_the_share_of_rechecked_hits_is_sampled() -> None:
    async def go() -> int:
        engine = ScaleEngine()
        settings = ServingSettings(recheck_share=0.25)
        async with serving(served(engine), settings=settings, rng=random.Random(7)) as server:
            for _ in range(201):
                await server.send(infer_body())
        return engine.runs - 1

    assert 30 <= asyncio.run(go()) <= 70


def test_a_failing_recheck_does_not_fail_the_hit() -> None:
    class Tiring(ScaleEngine):
        def run(self, inputs: object) -> dict[str, object]:  # type: ignore[override]
            if self.runs:
                raise EngineError(runtime="test", detail="gone")
            return super().run(inputs)  # type: ignore[arg-type, return-value]

    async def go() -> None:
        async with serving(served(Tiring()), settings=ALWAYS) as server:
            first = await server.send(infer_body())
            second = await server.send(infer_body())
            assert (second.status, second.body) == (200, first.body)

    asyncio.run(go())


def test_answers_of_an_approximate_variant_are_not_rechecked() -> None:
    async def go() -> None:
        model = served(
            DriftingEngine(),
            contract(cache=CachePolicy(allow_approximate=True)),
            numeric_class=NumericClass.APPROXIMATE,
        )
        async with serving(model, settings=ALWAYS) as server:
            replies = [await server.send(infer_body()) for _ in range(3)]
            assert [reply.headers["Cache-Status"] for reply in replies] == [STORED, HIT, HIT]

    asyncio.run(go())
