"""``/healthz`` and ``/metrics``: for whoever watches the hub. No secrets, so no credentials."""

from __future__ import annotations

from aiohttp import web

from fleet_hub.http import metrics
from fleet_hub.http.hub import HUB
from fleet_hub.store import nodes

routes = web.RouteTableDef()


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """200 while the database answers and the timestamp has not expired, else 503."""
    hub = request.app[HUB]
    await hub.reader.run(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
    expiries = await hub.releases.expiries()
    expired = sorted(role for role, expires_s in expiries.items() if expires_s <= hub.clock())
    if expired:
        return web.json_response({"status": "expired metadata", "roles": expired}, status=503)
    return web.json_response({"status": "ok"})


@routes.get("/metrics")
async def read_metrics(request: web.Request) -> web.Response:
    """Prometheus text."""
    hub = request.app[HUB]
    count = await hub.reader.run(nodes.count)
    expiries = await hub.releases.expiries()
    text = hub.metrics.families() + "".join(
        (
            metrics.family("skerry_hub_nodes", "gauge", "Enrolled nodes.", [({}, count)]),
            metrics.family(
                "skerry_hub_db_commits_total", "counter", "Transactions written.", [({}, hub.writer.commits)]
            ),
            metrics.family("skerry_hub_db_writes_total", "counter", "Changes in them.", [({}, hub.writer.closures)]),
            metrics.family(
                "skerry_hub_metadata_expires_seconds",
                "gauge",
                "When the role's metadata expires, Unix time.",
                (({"role": role}, expires_s) for role, expires_s in sorted(expiries.items())),
            ),
        )
    )
    return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})
