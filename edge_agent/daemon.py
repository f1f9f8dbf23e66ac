"""The agent's process: serve, poll, send telemetry, until told to stop."""

from __future__ import annotations

import asyncio
import errno
import importlib.metadata
import logging
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from aiohttp import web

from edge_agent.assembly import Agent, NodeFacts, Ports, assemble
from edge_agent.config import AgentConfig
from edge_agent.disk import RealDisk
from edge_agent.hub_client import HubClient
from edge_agent.identity import IdentityStore
from edge_agent.lock import exclusive
from edge_agent.ports import Disk
from edge_agent.profile import choose_profile
from edge_agent.serving.app import build_app, build_runner
from edge_agent.status import RUN_FILE, RunFile, add_status_route
from edge_agent.uplink import run_uplink
from edge_bundle import canonical
from edge_bundle.errors import InvalidInputError, SkerryError, UnavailableError
from edge_runtime.trial import end_trials
from hardware_profiles.detect import detect

logger = logging.getLogger(__name__)

RESTART_S = 5.0
"""Pause before a task that failed unexpectedly is started again; serving goes on meanwhile."""

DISTRIBUTION = "skerry"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def run_agent(config: AgentConfig, *, stop: asyncio.Event | None = None) -> None:
    """Run until SIGTERM or SIGINT; or until ``stop`` is set, when one is given, and signals are then left alone.

    Requests in flight are finished, and telemetry stored, within ``limits.drain_s`` each. Before serving, raises
    ``ConflictError`` (state directory in use), ``UnavailableError`` (port in use), ``InvalidInputError`` or
    ``NotFoundError`` (trust, profile).
    """
    with exclusive(config.state):
        if stop is not None:
            await _run(config, stop)
            return
        stop = asyncio.Event()
        with _stopping_on_signals(stop):
            await _run(config, stop)


async def _run(config: AgentConfig, stop: asyncio.Event) -> None:
    disk = RealDisk()
    machine = detect()
    facts = NodeFacts(
        identity=IdentityStore(config.state, disk).load(os.urandom),
        profile=choose_profile(config.profile, machine).name,
        agent_version=importlib.metadata.version(DISTRIBUTION),
        machine=machine.summary(),
    )
    uniform = random.Random().random  # noqa: S311 - spreads polls, guards nothing
    key = facts.identity.key
    async with HubClient(url=config.hub.url, key=key, limits=config.limits, clock=time.time) as hub:
        ports = Ports(disk=disk, hub=hub, clock=time.time, monotonic=time.monotonic, uniform=uniform)
        agent = assemble(config, facts, ports)
        async with AsyncExitStack() as server:
            await server.enter_async_context(_serving(config, agent, disk))
            async with asyncio.TaskGroup() as group:
                poll = group.create_task(_supervise("poll", agent.poller.run))
                uplink = group.create_task(_supervise("telemetry", lambda: run_uplink(config, agent, hub, time.time)))
                await stop.wait()
                logger.info("stopping")
                poll.cancel()
                end_trials()  # nobody waits for one any more, but its thread would be waited for
                # The last requests are answered first, so that the last telemetry counts them.
                await server.aclose()
                uplink.cancel()
    await _close_engines(agent, config.limits.drain_s)


@asynccontextmanager
async def _serving(config: AgentConfig, agent: Agent, disk: Disk) -> AsyncIterator[None]:
    """Bind, bring the last good releases back, say where; on the way out finish what is in flight."""
    started_at_ms = int(time.time() * 1000)
    app = build_app(agent.table, agent.recorder)
    add_status_route(app, agent.poller, pid=os.getpid(), started_at_ms=started_at_ms)
    runner = build_runner(app, drain_s=config.limits.drain_s)
    await runner.setup()
    try:
        host, port = await _bind(runner, config)
        await agent.updater.restore()
        run = RunFile(
            pid=os.getpid(),
            host=host,
            port=port,
            agent_version=agent.poller.agent_version,
            started_at_ms=started_at_ms,
        )
        _publish(run, config, disk)
        agent.recorder.event("started", detail=f"agent {run.agent_version}, profile {agent.poller.profile}")
        logger.info("serving on %s:%d with profile %s", host, port, agent.poller.profile)
        try:
            yield
        finally:
            disk.remove(config.state / RUN_FILE)
    finally:
        await runner.cleanup()


def _publish(run: RunFile, config: AgentConfig, disk: Disk) -> None:
    """A full disk must not keep the agent from serving: only ``skerry agent status`` needs the file."""
    try:
        disk.write(config.state / RUN_FILE, canonical.dumps(run))
    except SkerryError as error:
        logger.warning("`skerry agent status` will not find this process: %s: %s", error.name, error)


async def _bind(runner: web.AppRunner, config: AgentConfig) -> tuple[str, int]:
    host, port = config.serve.host, config.serve.port
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        where = f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            advice = "stop the other process or change serve.port in agent.toml"
            raise UnavailableError(what=f"address {where}", detail="the port is in use", advice=advice) from error
        got = f"{where}: {error.strerror or error}"
        raise InvalidInputError(
            file="agent.toml", key="serve", expected="an address of this machine", got=got
        ) from error
    address = runner.addresses[0]
    return str(address[0]), int(address[1])


async def _supervise(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """The root of a task: whatever goes wrong in it is logged, and it is started again; serving never suffers."""
    while True:
        try:
            await run()
        except SkerryError as error:
            logger.warning("%s stopped: %s: %s", name, error.name, error)
        except Exception:
            logger.exception("%s failed unexpectedly", name)
        await asyncio.sleep(RESTART_S)


async def _close_engines(agent: Agent, timeout_s: float) -> None:
    for name in agent.table.names():
        served = agent.table.remove(name)
        if served is not None:
            await served.retire(timeout_s=timeout_s)


@contextmanager
def _stopping_on_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
