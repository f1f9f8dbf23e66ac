"""A real hub on a loopback port, in a thread with its own event loop, and a node that talks to it."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import aiohttp
import msgspec

from edge_bundle import canonical
from edge_bundle.http_signature import sign_request
from edge_bundle.keys import SigningKey
from edge_bundle.messages import (
    EnrolRequest,
    EnrolResponse,
    PollRequest,
    PollResponse,
    SlotReport,
    UpdateOutcome,
    UpdateResult,
)
from fleet_hub.config import HubConfig, LimitsConfig, TrustConfig, load_config
from fleet_hub.init import InitPlan, InitResult, init_hub
from fleet_hub.operator_client import OperatorClient
from fleet_hub.server import run_hub
from fleet_hub.trust.ceremony import TeamRole
from tests.fleet_hub.samples import ALICE, BOB

TEAM = "vision"
TEAMS = (TeamRole(TEAM, ("digits/*.json",), (ALICE.public, BOB.public), threshold=2),)
START_S = 30.0
DEFAULT_TRUST = TrustConfig()
DEFAULT_LIMITS = LimitsConfig()
PROFILE = "cpu-fp32"


@dataclass
class Clock:
    """The hub's clock: the real one, moved by ``offset_s``."""

    offset_s: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset_s


@dataclass(frozen=True)
class RunningHub:
    """Where a running hub is and who may do what."""

    url: str
    result: InitResult
    clock: Clock

    def client(self, role: str) -> OperatorClient:
        """A client with the token of a role."""
        return OperatorClient(self.url, self.result.tokens[role])

    @property
    def directory(self) -> Path:
        """The hub's directory."""
        return self.result.config_file.parent


def init(
    directory: Path,
    *,
    clock: Callable[[], float] = time.time,
    teams: tuple[TeamRole, ...] = TEAMS,
    trust: TrustConfig = DEFAULT_TRUST,
    limits: LimitsConfig = DEFAULT_LIMITS,
) -> InitResult:
    """A fresh hub directory."""
    config = HubConfig(port=0, trust=trust, limits=limits)
    return init_hub(InitPlan(directory / "hub", directory / "offline", teams, config, root_keys=1), clock)


@contextmanager
def serve(result: InitResult, clock: Clock | None = None) -> Iterator[RunningHub]:
    """Run the hub of a directory until the block ends."""
    own_clock = clock or Clock()
    ready: Future[str] = Future()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        await run_hub(load_config(result.config_file), on_ready=ready.set_result, stop=stop, clock=own_clock)

    def thread() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            if not ready.done():
                ready.set_exception(error)

    runner = threading.Thread(target=thread)
    runner.start()
    try:
        yield RunningHub(ready.result(START_S), result, own_clock)
    finally:
        if ready.exception() is None:
            loop, stop = loops[0]
            loop.call_soon_threadsafe(stop.set)
        runner.join()


@dataclass
class Node:
    """A node's side of the conversation."""

    hub: RunningHub
    key: SigningKey = field(default_factory=SigningKey.generate)
    node_id: str = ""
    slots: tuple[SlotReport, ...] = ()

    async def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        signer: SigningKey | None = None,
        name: str = "",
        query: str = "",
    ) -> tuple[int, bytes]:
        """One signed request; status and body of the answer."""
        identity = name or self.node_id or self.key.public.keyid
        headers = sign_request(signer or self.key, identity, method, path, body, self.hub.clock())
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.hub.url + path + query, data=BytesIO(body), headers=headers) as response,
        ):
            return response.status, await response.read()

    async def enrol(self, token: str, *, labels: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Ask for an identity and keep it."""
        request = EnrolRequest(
            token=token,
            node_name="edge-1",
            public_key=base64.b64encode(self.key.public.raw).decode(),
            profile=PROFILE,
            agent_version="0.1.0",
            labels=labels or {},
        )
        status, body = await self.send("POST", "/v1/enrol", canonical.dumps(request))
        if status == 200:
            self.node_id = msgspec.json.decode(body, type=EnrolResponse).node_id
        return status, body

    async def poll(self, *outcomes: UpdateOutcome) -> PollResponse:
        """Report and hear the orders."""
        report = PollRequest(
            boot_id="boot-1", agent_version="0.1.0", profile=PROFILE, slots=self.slots, outcomes=outcomes
        )
        status, body = await self.send("POST", f"/v1/nodes/{self.node_id}/poll", canonical.dumps(report))
        assert status == 200, body
        return msgspec.json.decode(body, type=PollResponse)


async def enrolled(hub: RunningHub, labels: dict[str, str] | None = None) -> Node:
    """A node with an identity; the labels come from its token."""
    async with hub.client("operator") as operator:
        token = (await operator.create_token(labels or {})).token
    node = Node(hub)
    status, body = await node.enrol(token)
    assert status == 200, body
    return node


def outcome(rollout_id: str, result: UpdateResult, *, version: str = "1.0.0", error: str = "") -> UpdateOutcome:
    """What became of an order."""
    return UpdateOutcome(
        rollout_id=rollout_id, model="digits", version=version, result=result, error=error, at_ms=1_000
    )


def slot(version: str, *, previous: str | None = None) -> SlotReport:
    """The current slot of the digits model."""
    digest = "sha256:" + "1" * 64
    return SlotReport(
        model="digits",
        version=version,
        bundle_digest=digest,
        variant_digest=digest,
        profile=PROFILE,
        runtime="onnxruntime",
        activated_at_ms=2_000,
        previous_version=previous,
    )
