"""What operators and publishers call. Every handler begins by asking for the permission it takes."""

from __future__ import annotations

import asyncio
import base64
import secrets
from functools import partial

from aiohttp import web

from edge_bundle.errors import FormatError, InvalidInputError
from fleet_hub import origin
from fleet_hub.api import (
    AuditLog,
    AuditRow,
    Items,
    ReleaseRequest,
    RolloutRequest,
    TokenRequest,
    TokenResponse,
)
from fleet_hub.http import bodies
from fleet_hub.http.hub import HUB
from fleet_hub.rules import roles
from fleet_hub.rules.roles import Permission
from fleet_hub.store import audit_log, nodes, releases, rollouts, telemetry
from fleet_hub.trust import metadata

routes = web.RouteTableDef()

MAX_RELEASE_REQUEST_BYTES = metadata.MAX_METADATA_BYTES * 4 // 3 + 1024
"""Largest team metadata in base64, and its frame."""

MAX_SEQ_DIGITS = 18
"""A sequence number that fits 64 bits."""

MAX_EVENTS = 1000
"""Node events in one answer."""


@routes.post("/v1/tokens")
async def create_token(request: web.Request) -> web.Response:
    """A one-time enrolment token; the hub keeps its hash only."""
    hub = request.app[HUB]
    principal = hub.doorkeeper.operator(request, Permission.OPERATE)
    asked = await bodies.parse(request, TokenRequest)
    token = roles.new_token("enrol", secrets.token_bytes(roles.TOKEN_BYTES))
    now_ms = hub.now_ms()
    expires_at_ms = now_ms + int((asked.ttl_s or hub.config.enrol_token_ttl_s) * 1000)
    await hub.writer.run(
        partial(
            nodes.add_token,
            token_hash=roles.hash_token(token),
            labels=asked.labels,
            now_ms=now_ms,
            expires_at_ms=expires_at_ms,
            actor=principal.name,
        )
    )
    return bodies.answer(TokenResponse(token=token, expires_at_ms=expires_at_ms), status=201)


@routes.get("/v1/nodes")
async def list_nodes(request: web.Request) -> web.Response:
    """Every node."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.VIEW)
    return bodies.answer(Items(await hub.reader.run(nodes.all_nodes)))


@routes.get("/v1/nodes/events")
async def list_events(request: web.Request) -> web.Response:
    """The newest events that nodes reported."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.VIEW)
    return bodies.answer(Items(await hub.reader.run(partial(telemetry.events, limit=MAX_EVENTS))))


@routes.get("/v1/releases")
async def list_releases(request: web.Request) -> web.Response:
    """Every release."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.VIEW)
    return bodies.answer(Items(await hub.reader.run(releases.all_releases)))


@routes.get("/v1/releases/{model}/{version}")
async def show_release(request: web.Request) -> web.Response:
    """One release, with what its provenance says."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.VIEW)
    model, version = request.match_info["model"], request.match_info["version"]
    row = await hub.reader.run(partial(releases.get, model=model, version=version))
    return bodies.answer(await asyncio.to_thread(origin.describe, row, hub.blobs))


@routes.post("/v1/releases")
async def admit_release(request: web.Request) -> web.Response:
    """Take over new metadata of a team role; answers with the releases it added."""
    hub = request.app[HUB]
    principal = hub.doorkeeper.operator(request, Permission.PUBLISH)
    asked = await bodies.parse(request, ReleaseRequest, max_bytes=MAX_RELEASE_REQUEST_BYTES)
    try:
        offered = base64.b64decode(asked.team_metadata, validate=True)
    except ValueError as error:  # binascii.Error, or a plain one for text that is not ASCII
        raise FormatError(what="team_metadata", expected="base64", got=str(error)) from None
    admitted = await hub.releases.admit(asked.team_role, offered, actor=principal.name)
    return bodies.answer(Items(admitted), status=201)


@routes.get("/v1/team/{role}")
async def read_team_role(request: web.Request) -> web.Response:
    """Current signed metadata of a team role, to be extended and signed again by its publisher."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.PUBLISH)
    data = await hub.releases.team_metadata(request.match_info["role"])
    return web.Response(body=data, content_type=bodies.JSON)


@routes.get("/v1/team/{role}/rules")
async def read_team_rules(request: web.Request) -> web.Response:
    """Whose signatures the team's releases take: a publisher with too few keys learns it before an upload."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.PUBLISH)
    return bodies.answer(await hub.releases.team_rules(request.match_info["role"]))


@routes.post("/v1/rollouts")
async def start_rollout(request: web.Request) -> web.Response:
    """Start a rollout."""
    hub = request.app[HUB]
    principal = hub.doorkeeper.operator(request, Permission.OPERATE)
    asked = await bodies.parse(request, RolloutRequest)
    started = await hub.writer.run(partial(rollouts.start, request=asked, now_ms=hub.now_ms(), actor=principal.name))
    return bodies.answer(started, status=201)


@routes.get("/v1/rollouts")
async def list_rollouts(request: web.Request) -> web.Response:
    """Every rollout, newest first."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.VIEW)
    return bodies.answer(Items(await hub.reader.run(rollouts.all_rollouts)))


@routes.get("/v1/rollouts/{rollout_id}")
async def show_rollout(request: web.Request) -> web.Response:
    """One rollout with its nodes."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.VIEW)
    rollout_id = request.match_info["rollout_id"]
    return bodies.answer(await hub.reader.run(partial(rollouts.get, rollout_id=rollout_id)))


@routes.get("/v1/running")
async def running(request: web.Request) -> web.Response:
    """What exactly runs where."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.VIEW)
    return bodies.answer(Items(await hub.reader.run(nodes.running)))


@routes.get("/v1/telemetry/summary")
async def telemetry_summary(request: web.Request) -> web.Response:
    """Totals per node, model, version and variant."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.VIEW)
    return bodies.answer(Items(await hub.reader.run(telemetry.summary)))


@routes.get("/v1/audit")
async def read_audit(request: web.Request) -> web.Response:
    """The audit log and where its hash chain breaks, if it does; ``?after=SEQ`` leaves out what the caller has."""
    hub = request.app[HUB]
    hub.doorkeeper.operator(request, Permission.VIEW)
    after = request.query.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) <= MAX_SEQ_DIGITS):
        raise InvalidInputError(file="query", key="after", expected="a sequence number", got=after[:80])
    events, broken = await hub.reader.run(audit_log.examined)
    rows = tuple(AuditRow(**vars(event)) for event in events[int(after) :])
    broken_at = broken.seq if broken else None
    return bodies.answer(AuditLog(verified=broken.seq - 1 if broken else len(events), broken_at=broken_at, events=rows))
