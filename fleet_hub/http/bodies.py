"""Bodies: read within bounds, parsed strictly, written as canonical JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from aiohttp import web

from edge_bundle import canonical
from edge_bundle.errors import FormatError, LimitExceededError
from fleet_hub.http.hub import HUB

T = TypeVar("T")

MAX_MESSAGE_BYTES = 1 << 20
"""Largest JSON message of a node or operator; a poll of a node with 64 models has about 40 kB."""

JSON = "application/json"


async def read(request: web.Request, *, max_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    """The body, refused as soon as it is known to be larger.

    Raises LimitExceededError, or FormatError for a content coding (a bomb could hide in one).
    """
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes, request.content_length or 0)
    body = bytearray()
    async with asyncio.timeout(request.app[HUB].config.limits.request_timeout_s):
        async for chunk in chunks(request):
            body += chunk
            if len(body) > max_bytes:
                raise _too_large(max_bytes, len(body))
    return bytes(body)


async def chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The body piece by piece; ``TimeoutError`` once the sender falls silent for ``limits.request_timeout_s``.

    Raises FormatError for a coded body: ours are plain, or compressed as a format of their own.
    """
    coding = request.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise FormatError(what="request body", expected="no Content-Encoding", got=coding[:80])
    silence_s = request.app[HUB].config.limits.request_timeout_s
    while True:
        async with asyncio.timeout(silence_s):
            chunk = await request.content.readany()
        if not chunk:
            return
        yield chunk


async def parse(request: web.Request, type_: type[T], *, max_bytes: int = MAX_MESSAGE_BYTES) -> T:
    """The body as JSON of a Struct.

    Raises LimitExceededError, FormatError.
    """
    body = await read(request, max_bytes=max_bytes)
    return canonical.decode(body, type_, what="request body", max_bytes=max_bytes)


def answer(value: object, *, status: int = 200) -> web.Response:
    """A Struct as a JSON answer."""
    return web.Response(body=canonical.dumps(value), content_type=JSON, status=status)


def _too_large(limit: int, got: int) -> LimitExceededError:
    return LimitExceededError(what="request body", limit=limit, got=got, unit="bytes")
