"""Requests to a running hub over real HTTP, by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from io import BytesIO
from pathlib import Path

import aiohttp

from fleet_hub.config import LimitsConfig
from tests.fleet_hub.running import RunningHub, init, serve


def with_hub(tmp_path: Path, run: Callable[[RunningHub], Awaitable[None]], limits: LimitsConfig | None = None) -> None:
    """Run against a hub of its own, which ends with it."""

    async def main(hub: RunningHub) -> None:
        await run(hub)

    with serve(init(tmp_path, limits=limits or LimitsConfig())) as hub:
        asyncio.run(main(hub))


async def fetch(
    hub: RunningHub,
    method: str,
    path: str,
    *,
    role: str | None = "publisher",
    data: bytes | AsyncIterator[bytes] | None = None,
    **headers: str,
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of an answer, as sent; with ``role`` the request bears that role's token."""
    if role:
        headers["Authorization"] = f"Bearer {hub.result.tokens.get(role, role)}"
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(
            method, hub.url + path, data=BytesIO(data) if isinstance(data, bytes) else data, headers=sent
        ) as response,
    ):
        return response.status, response.headers, await response.read()
