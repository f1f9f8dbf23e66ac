"""The aiohttp application: all routes, one middleware."""

from __future__ import annotations

from aiohttp import web

from fleet_hub.http import blobs, health, nodes, operators, problems, tuf
from fleet_hub.http.hub import HUB, Hub


def build_app(hub: Hub) -> web.Application:
    """The hub as an application. Body limits are set by each handler, not by aiohttp."""
    app = web.Application(middlewares=[problems.middleware(hub.metrics)])
    app[HUB] = hub
    for group in (health, tuf, blobs, nodes, operators):
        app.router.add_routes(group.routes)
    return app
