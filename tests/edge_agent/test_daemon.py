"""The whole process over real sockets: start, serve, stop, and what keeps it from starting."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace

from edge_agent.config import AgentConfig, LimitsConfig, ServeConfig
from edge_agent.daemon import run_agent
from edge_agent.disk import RealDisk
from edge_agent.status import fetch_status, read_run_file
from edge_bundle.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from tests.sim.memory_hub import FakeClock
from tests.sim.node import close, hub_with, make_config, make_node
from tests.sim.process import run_with, wait_for_status
from tests.sim.releases import MODEL

DEAD_HUB = "http://127.0.0.1:9"
"""The discard port, where nothing listens."""


def installed(folder: Path) -> AgentConfig:
    """A node that already runs release 1.0.0, and whose hub cannot be reached any more."""
    clock = FakeClock()
    hub = hub_with(clock, "1.0.0")
    config = make_config(folder, hub.tuf.root, url=DEAD_HUB)
    node = make_node(config, hub, clock)
    asyncio.run(node.poller.tick())
    close(node)
    return replace(config, serve=ServeConfig(port=0))


def test_hub_down_at_start_serves_the_last_good_release_and_keeps_polling(tmp_path: Path) -> None:
    config = installed(tmp_path)

    async def look() -> None:
        status = await wait_for_status(config, lambda status: status.hub.failures > 0)
        assert [(slot.model, slot.version) for slot in status.slots] == [(MODEL, "1.0.0")]
        assert status.hub.node_id == "node-1"
        assert "UnavailableError" in status.hub.last_error
        assert status.pid == os.getpid()

    run_with(config, look)
    with pytest.raises(NotFoundError):
        read_run_file(config.state)


def test_a_hub_that_never_answers_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    config = installed(tmp_path)

    async def story() -> None:
        called = asyncio.Event()

        async def silence(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            called.set()
            await never.wait()
            writer.close()

        never = asyncio.Event()
        server = await asyncio.start_server(silence, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        patient = LimitsConfig(rate_window_s=600.0, request_timeout_s=600.0, drain_s=0.5)
        stop = asyncio.Event()
        asked = replace(config, hub=replace(config.hub, url=url), limits=patient)
        agent = asyncio.create_task(run_agent(asked, stop=stop))
        await called.wait()
        stop.set()
        await agent
        never.set()
        server.close()

    asyncio.run(story())


def test_a_full_disk_at_the_start_does_not_keep_the_agent_from_serving(tmp_path: Path) -> None:
    config = installed(tmp_path)
    (config.state / "run" / "agent.json.tmp").mkdir(parents=True)  # nothing can be written in its place
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def look() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/v2/models/{MODEL}/ready") as response:
                        if response.status == 200:
                            break
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(0.02)

    run_with(replace(config, serve=ServeConfig(port=port)), look)


def test_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    config = installed(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = replace(config, serve=ServeConfig(port=port))
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}.*in use") as caught:
            asyncio.run(run_agent(config, stop=asyncio.Event()))
    assert "serve.port" in caught.value.advice


def test_two_agents_on_one_state_directory(tmp_path: Path) -> None:
    config = installed(tmp_path)

    async def second() -> None:
        await wait_for_status(config, lambda _status: True)
        with pytest.raises(ConflictError, match="state directory"):
            await run_agent(config, stop=asyncio.Event())

    run_with(config, second)


def test_missing_root_names_the_file(tmp_path: Path) -> None:
    config = installed(tmp_path)
    Path(config.trust.root).unlink()
    with pytest.raises(InvalidInputError, match=r"root\.json"):
        asyncio.run(run_agent(config, stop=asyncio.Event()))


def test_status_of_a_node_that_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        fetch_status(tmp_path)


def test_status_of_a_node_that_died(tmp_path: Path) -> None:
    config = installed(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    run_file = f'{{"agent_version":"0","host":"127.0.0.1","pid":1,"port":{port},"started_at_ms":0}}'
    RealDisk().write(config.state / "run" / "agent.json", run_file.encode())
    with pytest.raises(UnavailableError, match=str(port)):
        fetch_status(config.state)


PROCESS = """
import asyncio, sys
from pathlib import Path
import msgspec
from edge_agent.config import AgentConfig
from edge_agent.daemon import run_agent
from edge_agent.logs import configure

configure(sys.stderr)
config = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=AgentConfig)
asyncio.run(run_agent(config))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_the_process_gracefully(tmp_path: Path, number: signal.Signals) -> None:
    config = installed(tmp_path)
    file = tmp_path / "config.json"
    file.write_bytes(msgspec.json.encode(config))
    with subprocess.Popen([sys.executable, "-c", PROCESS, str(file)], stderr=subprocess.PIPE) as process:
        try:
            asyncio.run(wait_for_status(config, lambda status: bool(status.slots)))
            process.send_signal(number)
            _, log = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, log.decode()
    lines = [msgspec.json.decode(line) for line in log.splitlines()]
    assert "stopping" in [line["message"] for line in lines]
    assert not (config.state / "run" / "agent.json").exists()


def test_a_killed_process_leaves_nothing_in_the_way_of_the_next(tmp_path: Path) -> None:
    config = installed(tmp_path)
    file = tmp_path / "config.json"
    file.write_bytes(msgspec.json.encode(config))
    with subprocess.Popen([sys.executable, "-c", PROCESS, str(file)], stderr=subprocess.DEVNULL) as process:
        asyncio.run(wait_for_status(config, lambda status: bool(status.slots)))
        process.kill()
    assert read_run_file(config.state).pid == process.pid

    async def look() -> None:
        status = await wait_for_status(config, lambda status: bool(status.slots))
        assert status.pid == os.getpid()

    run_with(config, look)
