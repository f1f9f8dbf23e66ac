"""Telemetry of an enrolled node: recorder to spool at a steady beat, spool to hub when it listens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from edge_agent.assembly import Agent
from edge_agent.config import AgentConfig
from edge_agent.ports import Clock, HubPort
from edge_agent.telemetry.collector import Collector
from edge_agent.telemetry.spool import Spool, SpoolLimits
from edge_agent.telemetry.uploader import Backoff, Uploader


@dataclass(frozen=True)
class HubSink:
    """The uploader's ``Sink``: the hub, under this node's name."""

    hub: HubPort
    node_id: str

    async def send(self, batch: bytes) -> None:
        """Hand a batch over (see ``Sink.send``)."""
        await self.hub.telemetry(self.node_id, batch)


async def run_uplink(config: AgentConfig, agent: Agent, hub: HubPort, clock: Clock) -> None:
    """Wait for enrolment, then collect and send until cancelled; ends with a last collection and a bounded last upload.

    Raises ``UnavailableError`` when the spool cannot be opened.
    """
    await agent.poller.enrolled.wait()
    node_id = agent.poller.node_id
    if node_id is None:
        return
    limits = SpoolLimits(max_bytes=config.telemetry.spool_max_bytes, max_age_s=config.telemetry.spool_max_age_s)
    path = config.state / "telemetry.sqlite3"
    boot_id = agent.poller.identity.boot_id
    with await _open(partial(Spool, path, node_id=node_id, boot_id=boot_id, limits=limits, clock=clock)) as spool:
        collector = Collector(agent.recorder, spool)
        backoff = Backoff(max_s=config.hub.backoff_max_s)
        uploader = Uploader(spool, HubSink(hub, node_id), backoff=backoff, rng=random.Random())  # noqa: S311 - jitter
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(collector.run(config.telemetry.flush_s))
                group.create_task(uploader.run(collector.spooled, agent.poller.regained))
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(config.limits.drain_s):
                    await uploader.drain()


async def _open(make: Callable[[], Spool]) -> Spool:
    """Open the spool in a thread; a cancellation meanwhile closes what the thread has opened."""
    opening = asyncio.ensure_future(asyncio.to_thread(make))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        (await opening).close()
        raise
