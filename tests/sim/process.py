"""The real daemon inside a test, stopped when the test's work is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from edge_agent.config import AgentConfig
from edge_agent.daemon import run_agent
from edge_agent.status import AgentStatus, fetch_status
from edge_bundle.errors import NotFoundError, UnavailableError


async def wait_for_status(config: AgentConfig, ready: Callable[[AgentStatus], bool]) -> AgentStatus:
    """Ask until the condition holds; the test's own timeout ends a vain wait."""
    while True:
        try:
            status = await asyncio.to_thread(fetch_status, config.state)
            if ready(status):
                return status
        except (NotFoundError, UnavailableError):
            pass
        await asyncio.sleep(0.02)


def run_with(config: AgentConfig, work: Callable[[], Awaitable[None]]) -> None:
    """Run the agent in this process while ``work`` runs, then stop it."""

    async def both() -> None:
        stop = asyncio.Event()
        agent = asyncio.create_task(run_agent(config, stop=stop))
        worker = asyncio.ensure_future(work())
        await asyncio.wait({agent, worker}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await agent
        await worker

    asyncio.run(both())
