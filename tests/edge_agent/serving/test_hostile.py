"""Attacks on the inference endpoint that cost memory or connections rather than answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession, web

from edge_agent.models import ModelTable
from edge_agent.serving.app import build_app, build_runner
from edge_agent.serving.intake import Intake
from edge_agent.serving.settings import ServingSettings
from edge_agent.telemetry.recorder import Recorder
from edge_bundle.contract import Limits
from edge_bundle.errors import InvalidInputError, UnavailableError
from tests.edge_agent.serving.world import contract, infer_body, served, serving

LARGE_BYTES = 400_000
SMALL = infer_body()
ROOMY = contract(limits=Limits(max_batch=8, max_body_bytes=4 * LARGE_BYTES))


def padded() -> dict[str, Any]:
    """A good request of more than ``LARGE_BYTES``, which never arrives in one piece."""
    return infer_body(note="x" * LARGE_BYTES)


async def half_a_body(port: int) -> asyncio.StreamWriter:
    """A client that announces twice what it sends, and then waits."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v2/models/scale/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * LARGE_BYTES}\r\n\r\n"
    writer.write(head.encode() + b" " * LARGE_BYTES)
    await writer.drain()
    await asyncio.sleep(0.2)
    return writer


def test_half_bodies_do_not_fill_the_memory() -> None:
    settings = ServingSettings(max_held_body_bytes=LARGE_BYTES + 1000, read_timeout_s=5.0)

    async def run() -> None:
        async with serving(served(terms=ROOMY), settings=settings) as server:
            writer = await half_a_body(server.port)
            refused = await server.send(padded())
            assert (refused.status, refused.json["title"]) == (503, "UnavailableError")
            assert (await server.send(SMALL)).status == 200, "what arrives whole is not held up"
            writer.close()
            await asyncio.sleep(0.2)
            assert (await server.send(padded())).status == 200

    asyncio.run(run())


def test_everything_held_is_given_back() -> None:
    settings = ServingSettings(max_held_body_bytes=LARGE_BYTES + 1000)

    async def run() -> None:
        async with serving(served(terms=ROOMY), settings=settings) as server:
            for body in (padded(), b"{" * LARGE_BYTES, padded()):
                await server.send(body)
            assert (await server.send(padded())).status == 200

    asyncio.run(run())


def test_one_body_alone_is_always_let_in() -> None:
    intake = Intake(10)
    intake.take(8, own=0)
    intake.take(8, own=8)
    with pytest.raises(UnavailableError):
        intake.take(1, own=0)
    intake.give(16)
    intake.take(4, own=0)
    intake.take(6, own=0)
    assert intake.held == 10


def test_room_for_no_body_is_a_mistake() -> None:
    with pytest.raises(InvalidInputError, match="max_held_body_bytes"):
        ServingSettings(max_held_body_bytes=0)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="half-open"),
        pytest.param(b"POST /v2/models/scale/infer HTTP/1.1\r\nHos", id="half-a-head"),
        pytest.param(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\nGET", id="half-a-second-head"),
    ],
)
def test_a_head_that_never_ends_is_cut_off(sent: bytes) -> None:
    async def run() -> None:
        runner = build_runner(build_app(ModelTable(), Recorder()), idle_s=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            async with asyncio.timeout(10.0):
                await reader.read()
            writer.close()
            async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/v2") as answer:
                assert answer.status == 200
        finally:
            await runner.cleanup()

    asyncio.run(run())
