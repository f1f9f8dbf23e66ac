"""Blobs: streamed in and out, with Range requests (RFC 9110 section 14) and the digest as entity tag."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from edge_bundle.digest import Digest
from fleet_hub.http import bodies
from fleet_hub.http.hub import HUB
from fleet_hub.rules.roles import Permission

routes = web.RouteTableDef()

CHUNK_BYTES = 256 << 10
"""Read from the disk and written to the socket at once."""


@routes.put("/v1/blobs/{digest}")
async def put_blob(request: web.Request) -> web.Response:
    """Store a blob: 201 when it is new, 200 when it was here."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.PUBLISH)
    new = await hub.blobs.put(request.match_info["digest"], bodies.chunks(request))
    return web.Response(status=HTTPStatus.CREATED if new else HTTPStatus.OK)


@routes.get("/v1/blobs/{digest}")  # and HEAD
async def get_blob(request: web.Request) -> web.StreamResponse:
    """A blob or one range of it. A range that lies outside is answered 416 with the true length."""
    hub = request.app[HUB]
    hub.doorkeeper.node_or_operator(request, Permission.VIEW)
    digest = request.match_info["digest"]
    path = hub.blobs.path(digest)
    headers = {
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Type": "application/octet-stream",
    }
    if _has_tag(request.headers.get("If-None-Match", ""), digest):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    size = path.stat().st_size
    wanted = _range(request, digest, size)
    if wanted is None:
        headers["Content-Range"] = f"bytes */{size}"
        return web.Response(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    if len(wanted) < size:
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return await _send(request, path, wanted, partial=len(wanted) < size, headers=headers)


def _range(request: web.Request, digest: Digest, size: int) -> range | None:
    """The bytes to send; ``None`` when the request asks for none that exist. Several ranges are answered whole."""
    header = request.headers.get("Range", "")
    if_range = request.headers.get("If-Range")
    if not header.startswith("bytes=") or "," in header or (if_range and if_range != f'"{digest}"'):
        return range(size)
    try:
        wanted = request.http_range
    except ValueError:
        return range(size)  # "a recipient MUST ignore a Range header it does not understand" (section 14.2)
    found = range(size)[wanted]
    return found or None


async def _send(
    request: web.Request, path: Path, wanted: range, *, partial: bool, headers: dict[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK, headers=headers)
    response.content_length = len(wanted)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    with path.open("rb") as file:
        file.seek(wanted.start)
        await _copy(file, response, len(wanted))
    await response.write_eof()
    return response


async def _copy(file: BinaryIO, response: web.StreamResponse, left: int) -> None:
    while left > 0:
        chunk = await asyncio.to_thread(file.read, min(left, CHUNK_BYTES))
        if not chunk:
            return  # cut short on the disk: aiohttp closes the connection, the client sees it from the length
        await response.write(chunk)
        left -= len(chunk)


def _has_tag(header: str, digest: Digest) -> bool:
    return header == "*" or f'"{digest}"' in header
