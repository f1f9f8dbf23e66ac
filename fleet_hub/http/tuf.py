"""TUF metadata: public, since every file carries its own signatures."""

from __future__ import annotations

import asyncio

from aiohttp import web

from fleet_hub.http.hub import HUB
from fleet_hub.trust.repository import TIMESTAMP_FILE

routes = web.RouteTableDef()


@routes.get("/tuf/metadata/{file}")
async def read_metadata(request: web.Request) -> web.Response:
    """One metadata file. All but the timestamp carry their version in the name and never change."""
    name = request.match_info["file"]
    data = await asyncio.to_thread(request.app[HUB].metadata.read, name)
    caching = "no-cache" if name == TIMESTAMP_FILE else "public, max-age=3600"
    return web.Response(body=data, content_type="application/json", headers={"Cache-Control": caching})
