"""Cancelling one request of a flight touches nobody else, be it the leader or one who waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

from edge_agent.models import ModelTable
from edge_agent.serving.call import Call
from edge_agent.serving.deployment import Deployment, Deployments
from edge_agent.serving.pipeline import Pipeline, standard_steps
from edge_agent.serving.settings import ServingSettings
from edge_agent.serving.steps.reuse import Reuse
from edge_agent.serving.wanted import WantedOutput
from edge_agent.telemetry.recorder import Recorder
from tests.edge_agent.serving.world import INPUT, OUTPUT, GatedEngine, floats, fp32, served


class DirectWire:
    """Hands over tensors without any bytes."""

    def decode(self, call: Call) -> Awaitable[None] | None:
        call.inputs, call.wanted = {INPUT: fp32([1.0, 2.0, 3.0, 4.0])}, (WantedOutput(OUTPUT, binary=True),)
        return None

    def encode(self, call: Call) -> None:
        assert call.outputs is not None


async def _call(pipeline: Pipeline, deployment: Deployment) -> Call:
    call = Call(deployment, DirectWire())
    waiting = pipeline.run(call)
    if waiting is not None:
        await waiting
    return call


def _flight(cancelled: int) -> None:
    async def go() -> None:
        engine = GatedEngine()
        table, recorder = ModelTable(), Recorder()
        model = served(engine)
        table.activate(model)
        with ThreadPoolExecutor(1) as executor:
            deployment = Deployments(table, recorder, ServingSettings(), executor).get("scale")
            pipeline = Pipeline(standard_steps(Reuse(recorder, recheck_share=0.0, rng=random.Random(0))))
            tasks = [asyncio.create_task(_call(pipeline, deployment)) for _ in range(4)]
            await asyncio.sleep(0.05)
            tasks[cancelled].cancel()
            await asyncio.sleep(0.05)
            engine.gate.set()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            answered = [item for item in results if isinstance(item, Call)]
            assert len(answered) == 3
            for call in answered:
                assert call.error is None
                assert floats((call.outputs or {})[OUTPUT]) == [2.0, 4.0, 6.0, 8.0]
            assert isinstance(results[cancelled], asyncio.CancelledError)
            await asyncio.sleep(0.05)  # an abandoned run gives its turn back
            assert model.users.count == 0
            assert recorder.meters()[0].window.failed == 1

    asyncio.run(go())


def test_a_cancelled_waiter_leaves_the_others_alone() -> None:
    _flight(cancelled=2)


def test_a_cancelled_leader_hands_over() -> None:
    _flight(cancelled=0)
