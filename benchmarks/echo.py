"""The peer: a bare aiohttp application that sends each body back. Run as ``python -m benchmarks.echo PATH``.

What it costs is what a server on aiohttp costs before it does anything.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from benchmarks.until_closed import serve_until_closed


async def echo(request: web.Request) -> web.Response:
    """Send the body back."""
    return web.Response(body=await request.read(), content_type="application/octet-stream")


async def serve(path: str) -> None:
    """Serve POSTs to one path until standard input ends."""
    app = web.Application()
    app.router.add_post(path, echo)
    await serve_until_closed(web.AppRunner(app, access_log=None))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
