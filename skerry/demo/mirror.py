"""A hostile mirror on loopback: passes everything on to the real hub, except what the attack of the hour changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

HOP_BY_HOP = frozenset({
    "connection", "content-length", "host", "keep-alive", "transfer-encoding", "content-encoding", "accept-encoding",
})  # fmt: skip
"""Headers that belong to one connection (RFC 9110 section 7.6.1), or that aiohttp sets by itself."""

MAX_BODY_BYTES = 64 << 20

Tamper = Callable[[str, bytes], bytes]
"""Gets the path and the hub's answer, gives what the victim receives."""


def honest(_path: str, answer: bytes) -> bytes:
    """Change nothing."""
    return answer


@dataclass
class Mirror:
    """Honest but within ``tampering``. ``seen`` holds what was last handed out under each path."""

    hub_url: str
    seen: dict[str, bytes] = field(default_factory=dict)
    _tamper: Tamper = honest

    @contextmanager
    def tampering(self, tamper: Tamper) -> Iterator[None]:
        """Change answers while the block runs."""
        self._tamper = tamper
        try:
            yield
        finally:
            self._tamper = honest

    async def handle(self, request: web.Request) -> web.Response:
        """Pass one request on and hand back the answer, tampered with or not."""
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        body = await request.read()
        url = self.hub_url + request.path_qs
        async with (
            aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session,
            session.request(request.method, url, data=body or None, headers=headers) as response,
        ):
            answer = await response.read()
            passed = {k: v for k, v in response.headers.items() if k.lower() not in HOP_BY_HOP}
            given = self._tamper(request.path, answer) if response.ok else answer
            self.seen[request.path] = given
            return web.Response(status=response.status, body=given, headers=passed)


@asynccontextmanager
async def open_mirror(hub_url: str) -> AsyncIterator[tuple[Mirror, str]]:
    """A mirror of ``hub_url`` on a free loopback port, and its address."""
    mirror = Mirror(hub_url)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", mirror.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield mirror, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
