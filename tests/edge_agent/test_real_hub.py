"""Agent and hub, both real, over sockets: enrol, roll out, serve, count, move on, survive the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec

from edge_agent.config import AgentConfig, ServeConfig, TelemetryConfig
from edge_agent.status import AgentStatus, read_run_file
from fleet_hub.operator_client import OperatorClient
from fleet_hub.trust.ceremony import TeamRole
from tests.fleet_hub.running import RunningHub, init, serve
from tests.sim.node import make_config
from tests.sim.process import run_with, wait_for_status
from tests.sim.releases import ALICE, BOB, MODEL, OWNERS, make_layout

TEAM = TeamRole("digits-team", (f"{MODEL}/*.json",), (ALICE.public, BOB.public), threshold=2)
REQUESTS = 7


async def configured(hub: RunningHub, folder: Path) -> AgentConfig:
    """An agent that polls fast and holds a fresh token."""
    config = make_config(folder, hub.result.root_file.read_bytes(), url=hub.url)
    async with hub.client("operator") as operator:
        token = (await operator.create_token({"site": "north"})).token
    await asyncio.to_thread(Path(config.hub.token_file or "").write_text, token)
    return msgspec.structs.replace(
        config,
        hub=msgspec.structs.replace(config.hub, poll_interval_s=0.1),
        serve=ServeConfig(port=0),
        telemetry=TelemetryConfig(flush_s=0.2),
    )


async def roll_out(hub: RunningHub, folder: Path, version: str) -> str:
    with make_layout(folder / f"bundle-{version}", version) as layout:
        async with hub.client("publisher") as publisher:
            await publisher.publish(layout, OWNERS, TEAM.name)
    async with hub.client("operator") as operator:
        return (await operator.start_rollout(MODEL, version)).rollout_id


async def infer(config: AgentConfig) -> dict[str, str]:
    """The headers of one answer."""
    run = read_run_file(config.state)
    body = {"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": [1.0] * 64}]}
    url = f"http://{run.host}:{run.port}/v2/models/{MODEL}/infer"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        assert response.status == 200, await response.text()
        return dict(response.headers)


def serves(version: str) -> Callable[[AgentStatus], bool]:
    def check(status: AgentStatus) -> bool:
        return [slot.version for slot in status.slots] == [version]

    return check


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it holds; the test's own timeout ends a vain wait."""
    while True:
        if await check():
            return
        await asyncio.sleep(0.05)


async def until_counted(viewer: OperatorClient, requests: int) -> None:
    async def counted() -> bool:
        return sum(row.requests for row in await viewer.telemetry_summary()) == requests

    await until(counted)


def test_from_rollout_to_telemetry(tmp_path: Path) -> None:
    with serve(init(tmp_path, teams=(TEAM,))) as hub:
        config = asyncio.run(configured(hub, tmp_path / "node"))

        async def story() -> None:
            await roll_out(hub, tmp_path, "1.0.0")
            await wait_for_status(config, serves("1.0.0"))
            headers = [await infer(config) for _ in range(REQUESTS)]
            assert {h["Skerry-Release"] for h in headers} == {f"{MODEL}/1.0.0"}
            async with hub.client("viewer") as viewer:
                await until_counted(viewer, REQUESTS)

            rollout_id = await roll_out(hub, tmp_path, "2.0.0")
            await wait_for_status(config, serves("2.0.0"))
            assert (await infer(config))["Skerry-Release"] == f"{MODEL}/2.0.0"
            async with hub.client("viewer") as viewer:

                async def done() -> bool:
                    return (await viewer.rollout_status(rollout_id)).done

                await until(done)
                (row,) = await viewer.running()
                assert (row.model, row.version) == (MODEL, "2.0.0")
                (node,) = await viewer.nodes()
                assert node.labels["site"] == "north"

        run_with(config, story)

        async def last() -> None:
            async with hub.client("viewer") as viewer:
                await until_counted(viewer, REQUESTS + 1)

        asyncio.run(last())

    async def without_hub() -> None:
        await wait_for_status(config, lambda status: status.hub.failures > 0)
        assert (await infer(config))["Skerry-Release"] == f"{MODEL}/2.0.0"

    run_with(config, without_hub)


def test_a_token_that_the_hub_refuses_is_told_plainly_and_replaced_while_the_agent_runs(tmp_path: Path) -> None:
    with serve(init(tmp_path, teams=(TEAM,))) as hub:
        config = asyncio.run(configured(hub, tmp_path / "node"))
        file = Path(config.hub.token_file or "")
        good = file.read_text()
        file.write_text("a-token-that-nobody-made")

        async def story() -> None:
            status = await wait_for_status(config, lambda status: status.hub.failures > 1)
            told = (
                "RefusedError: enrolment was refused: the token is unknown (make a new token with `skerry nodes token`"
            )
            assert status.hub.last_error.startswith(told)
            await asyncio.to_thread(file.write_text, good)
            await wait_for_status(config, lambda status: status.hub.node_id is not None and not status.hub.failures)

        run_with(config, story)
