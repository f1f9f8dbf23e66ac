"""What nodes call: enrol, poll, telemetry. Each request is signed by the node's own key."""

from __future__ import annotations

from functools import partial

from aiohttp import web
from sqlalchemy import Connection

from edge_bundle import canonical
from edge_bundle.messages import DesiredRelease, EnrolRequest, EnrolResponse, PollRequest, PollResponse, target_path
from fleet_hub.api import Accepted
from fleet_hub.http import bodies
from fleet_hub.http.auth import signed_body
from fleet_hub.http.hub import HUB
from fleet_hub.rules import telemetry_ingest
from fleet_hub.rules.rollout import Rollout
from fleet_hub.store import nodes, rollouts, telemetry

routes = web.RouteTableDef()

MAX_ENROLMENT_BYTES = 256 << 10
"""The one body that is read before it is known who sends it; with every text at its bound it has some 130 kB."""


@routes.post("/v1/enrol")
async def enrol(request: web.Request) -> web.Response:
    """Spend a one-time token and bind the key that signed this request."""
    hub = request.app[HUB]
    body = await bodies.read(request, max_bytes=MAX_ENROLMENT_BYTES)
    enrolment = canonical.decode(body, EnrolRequest, what="request body", max_bytes=MAX_ENROLMENT_BYTES)
    key = hub.doorkeeper.newcomer(request, body, enrolment)
    node_id = await hub.writer.run(partial(nodes.enrol, request=enrolment, key=key, now_ms=hub.now_ms()))
    hub.doorkeeper.admit_node(node_id, key)
    return bodies.answer(EnrolResponse(node_id=node_id, poll_interval_s=hub.config.poll_interval_s))


@routes.post("/v1/nodes/{node_id}/poll")
async def poll(request: web.Request) -> web.Response:
    """Take in what runs and what became of orders; answer with the orders that stand."""
    hub = request.app[HUB]
    node_id = hub.doorkeeper.node(request)
    body = signed_body(request, await bodies.read(request))
    report = canonical.decode(body, PollRequest, what="request body", max_bytes=bodies.MAX_MESSAGE_BYTES)
    orders = await hub.writer.run(partial(_poll, node_id=node_id, report=report, now_ms=hub.now_ms()))
    hub.metrics.polls += 1
    desired = tuple(
        DesiredRelease(
            rollout_id=order.rollout_id,
            model=order.model,
            version=order.version,
            target_path=target_path(order.model, order.version),
        )
        for order in orders
    )
    return bodies.answer(PollResponse(desired=desired, poll_interval_s=hub.config.poll_interval_s))


@routes.post("/v1/nodes/{node_id}/telemetry")
async def take_telemetry(request: web.Request) -> web.Response:
    """Count a batch once, however often it is sent."""
    hub = request.app[HUB]
    node_id = hub.doorkeeper.node(request)
    body = signed_body(request, await bodies.read(request, max_bytes=telemetry_ingest.MAX_COMPRESSED_BYTES))
    batch = telemetry_ingest.decode(body, node_id=node_id)
    accepted = await hub.writer.run(partial(telemetry.ingest, batch=batch, now_ms=hub.now_ms()))
    hub.metrics.telemetry_batches["accepted" if accepted else "duplicate"] += 1
    return bodies.answer(Accepted(accepted=accepted))


def _poll(connection: Connection, *, node_id: str, report: PollRequest, now_ms: int) -> tuple[Rollout, ...]:
    node = nodes.touch(connection, node_id, report, now_ms=now_ms)
    rollouts.report(connection, node, report.outcomes, now_ms=now_ms)
    return rollouts.orders(connection, node, report.slots, now_ms=now_ms)
