"""What a running agent says of itself: the ``/status`` endpoint, and its reader for ``skerry agent status``."""

from __future__ import annotations

import http.client
from pathlib import Path

import msgspec
from aiohttp import web

from edge_agent.poller import Poller
from edge_agent.serving.guard import guarded
from edge_agent.slots import InsteadOf
from edge_bundle import canonical
from edge_bundle.errors import FormatError, NotFoundError, UnavailableError
from edge_bundle.messages import SlotReport, UpdateOutcome

STATUS_PATH = "/status"
STATUS_TIMEOUT_S = 5.0
MAX_STATUS_BYTES = 1 << 20
RUN_FILE = Path("run") / "agent.json"


class RunFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``run/agent.json``: where the agent of a state directory answers while it runs."""

    pid: int
    host: str
    port: int
    agent_version: str
    started_at_ms: int


class HubStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the conversation with the hub stands; ``last_contact_ms`` 0 means none since the start."""

    url: str
    node_id: str | None
    last_contact_ms: int
    failures: int
    last_error: str


class Fallback(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model that another profile's variant answers for, and why."""

    model: str
    profile: str
    instead_of: InsteadOf


class AgentStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything ``skerry agent status`` shows. Holds no secret."""

    node_name: str
    profile: str
    agent_version: str
    boot_id: str
    pid: int
    started_at_ms: int
    hub: HubStatus
    slots: tuple[SlotReport, ...]
    outcomes: tuple[UpdateOutcome, ...]
    fallbacks: tuple[Fallback, ...] = ()


def build_status(poller: Poller, *, pid: int, started_at_ms: int) -> AgentStatus:
    """The status at this moment."""
    return AgentStatus(
        node_name=poller.config.node_name,
        profile=poller.profile,
        agent_version=poller.agent_version,
        boot_id=poller.identity.boot_id,
        pid=pid,
        started_at_ms=started_at_ms,
        hub=HubStatus(
            url=poller.config.hub.url,
            node_id=poller.node_id,
            last_contact_ms=poller.last_contact_ms,
            failures=poller.schedule.failures,
            last_error=poller.last_error,
        ),
        slots=poller.slot_reports(),
        outcomes=poller.orders.last,
        fallbacks=tuple(
            Fallback(model=served.name, profile=served.profile, instead_of=served.instead_of)
            for served in map(poller.table.get, poller.table.names())
            if served.instead_of is not None
        ),
    )


def add_status_route(app: web.Application, poller: Poller, *, pid: int, started_at_ms: int) -> None:
    """Serve ``GET /status``."""

    async def show(_request: web.Request) -> web.Response:
        status = build_status(poller, pid=pid, started_at_ms=started_at_ms)
        return web.Response(body=canonical.dumps(status), content_type="application/json")

    app.router.add_get(STATUS_PATH, guarded(show))


def read_run_file(state_dir: Path) -> RunFile:
    """Where the agent of this state directory answers; ``NotFoundError`` if none runs there."""
    path = state_dir / RUN_FILE
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        advice = "start it with `skerry agent run`"
        raise NotFoundError(what="running agent with state directory", name=str(state_dir), advice=advice) from error
    return canonical.decode(raw, RunFile, what=str(path), max_bytes=MAX_STATUS_BYTES)


def fetch_status(state_dir: Path) -> AgentStatus:
    """Ask the running agent; ``UnavailableError`` if it does not answer."""
    run = read_run_file(state_dir)
    what = f"agent at {run.host}:{run.port}"
    connection = http.client.HTTPConnection(run.host, run.port, timeout=STATUS_TIMEOUT_S)
    try:
        connection.request("GET", STATUS_PATH)
        response = connection.getresponse()
        body = response.read(MAX_STATUS_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        advice = f"process {run.pid} may have died; start it again with `skerry agent run`"
        raise UnavailableError(what=what, detail=str(error) or type(error).__name__, advice=advice) from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise FormatError(what=what, expected="HTTP 200", got=f"HTTP {response.status}")
    return canonical.decode(body, AgentStatus, what=f"status of {what}", max_bytes=MAX_STATUS_BYTES)
