"""Serve an aiohttp application as a child process: the port on standard output, the end with standard input."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

HOST = "127.0.0.1"


async def serve_until_closed(runner: web.AppRunner) -> None:
    """Serve on a free port, write it as one line, and go on until standard input ends."""
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()
