"""The hub's API for operators and publishers, as an asyncio client."""

from __future__ import annotations

import asyncio
import base64
import errno
import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Self, TypeVar

import aiohttp
import msgspec

from edge_bundle import canonical
from edge_bundle.digest import Digest
from edge_bundle.errors import LimitExceededError, RemoteError, UnavailableError
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.layout import Layout
from fleet_hub.api import (
    AuditLog,
    Items,
    NodeEventRow,
    NodeRow,
    Problem,
    ReleaseDetail,
    ReleaseRequest,
    ReleaseRow,
    RolloutRequest,
    RolloutRow,
    RunningRow,
    TeamRules,
    TelemetryRow,
    TokenRequest,
    TokenResponse,
)
from fleet_hub.publish import TEAM_TTL_S, Publication, publish

T = TypeVar("T")

MAX_ANSWER_BYTES = 64 << 20
"""Largest answer read into memory; a fleet of ten thousand nodes stays far below."""

TIMEOUT_S = 60.0
"""For one call, beside the time that its body takes at ``MIN_UPLOAD_BYTES_PER_S``."""

MIN_UPLOAD_BYTES_PER_S = 64 << 10
"""A slower upload is given up: half a megabit per second, the upstream of an old DSL line."""

CONNECT_PATIENCE_S = 3.0
"""A refused connection is tried again for this long: a hub needs about two seconds to start."""

CONNECT_PAUSE_S = 0.1


class OperatorClient:
    """One hub, one token. Use as ``async with OperatorClient(url, token) as hub``.

    Every method raises UnavailableError when the hub cannot be reached or asks for patience, and RemoteError, which
    carries the name of the hub's own error, when it refuses.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._token}"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def create_token(self, labels: Mapping[str, str], ttl_s: float | None = None) -> TokenResponse:
        """A one-time enrolment token, whose labels its node will carry."""
        return await self._call("POST", "/v1/tokens", TokenResponse, TokenRequest(labels=dict(labels), ttl_s=ttl_s))

    async def publish(
        self,
        layout: Layout,
        signing_keys: Sequence[SigningKey],
        role: str,
        *,
        policy: TrustPolicy | None = None,
        expires_s: float | None = None,
        on_blob: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> ReleaseRow:
        """Publish a bundle as ``role``. Without a ``policy``, all of ``signing_keys`` must have signed the bundle.

        ``expires_s`` (Unix seconds) bounds the team's signature; one year by default.
        """
        keys = tuple(signing_keys)
        own = policy or TrustPolicy(keys=tuple(key.public for key in keys), threshold=len(keys))
        expiry = time.time() + TEAM_TTL_S if expires_s is None else expires_s
        return await publish(self, Publication(layout, role, keys, own, expiry), on_blob)

    async def list_releases(self) -> tuple[ReleaseRow, ...]:
        """Every release."""
        return (await self._call("GET", "/v1/releases", Items[ReleaseRow])).items

    async def show_release(self, model: str, version: str) -> ReleaseDetail:
        """One release with its variants and what its provenance says."""
        return await self._call("GET", f"/v1/releases/{model}/{version}", ReleaseDetail)

    async def start_rollout(
        self, model: str, version: str, *, labels: Mapping[str, str] | None = None, profile: str | None = None
    ) -> RolloutRow:
        """Move every node with these labels (and this profile) to a release."""
        request = RolloutRequest(model=model, version=version, labels=dict(labels or {}), profile=profile)
        return await self._call("POST", "/v1/rollouts", RolloutRow, request)

    async def rollout_status(self, rollout_id: str) -> RolloutRow:
        """One rollout with the state of each node."""
        return await self._call("GET", f"/v1/rollouts/{rollout_id}", RolloutRow)

    async def list_rollouts(self) -> tuple[RolloutRow, ...]:
        """Every rollout, newest first."""
        return (await self._call("GET", "/v1/rollouts", Items[RolloutRow])).items

    async def nodes(self) -> tuple[NodeRow, ...]:
        """Every node."""
        return (await self._call("GET", "/v1/nodes", Items[NodeRow])).items

    async def node_events(self) -> tuple[NodeEventRow, ...]:
        """The newest events that nodes reported."""
        return (await self._call("GET", "/v1/nodes/events", Items[NodeEventRow])).items

    async def running(self) -> tuple[RunningRow, ...]:
        """What exactly runs where."""
        return (await self._call("GET", "/v1/running", Items[RunningRow])).items

    async def telemetry_summary(self) -> tuple[TelemetryRow, ...]:
        """Totals per node, model, version and variant."""
        return (await self._call("GET", "/v1/telemetry/summary", Items[TelemetryRow])).items

    async def audit(self, after: int = 0) -> AuditLog:
        """The audit log after a sequence number, and where the hub finds its hash chain broken."""
        return await self._call("GET", f"/v1/audit?after={after}", AuditLog)

    async def has_blob(self, digest: Digest) -> bool:
        """Whether the hub has a blob."""
        status, body = await self._send("HEAD", f"/v1/blobs/{digest}", None)
        if status == HTTPStatus.NOT_FOUND:
            return False
        self._check("HEAD", f"/v1/blobs/{digest}", status, body)
        return True

    async def put_blob(self, digest: Digest, data: bytes) -> None:
        """Upload a blob."""
        await self._request("PUT", f"/v1/blobs/{digest}", data)

    async def team_metadata(self, role: str) -> bytes | None:
        """Current metadata of a team role; ``None`` before its first release."""
        path = f"/v1/team/{role}"
        status, body = await self._send("GET", path, None)
        if status == HTTPStatus.NOT_FOUND:
            return None
        self._check("GET", path, status, body)
        return body

    async def team_rules(self, role: str) -> TeamRules:
        """Whose signatures the releases of a team role take."""
        return await self._call("GET", f"/v1/team/{role}/rules", TeamRules)

    async def admit(self, role: str, metadata: bytes) -> tuple[ReleaseRow, ...]:
        """Hand in new metadata of a team role; the releases it added."""
        request = ReleaseRequest(team_role=role, team_metadata=base64.b64encode(metadata).decode())
        body = await self._request("POST", "/v1/releases", msgspec.json.encode(request))
        return self._decode("/v1/releases", body, Items[ReleaseRow]).items

    async def _call(self, method: str, path: str, type_: type[T], request: msgspec.Struct | None = None) -> T:
        body = await self._request(method, path, None if request is None else canonical.dumps(request))
        return self._decode(path, body, type_)

    @staticmethod
    def _decode(path: str, body: bytes, type_: type[T]) -> T:
        return canonical.decode(body, type_, what=f"answer of {path}", max_bytes=MAX_ANSWER_BYTES)

    async def _request(self, method: str, path: str, data: bytes | None) -> bytes:
        status, body = await self._send(method, path, data)
        self._check(method, path, status, body)
        return body

    async def _send(self, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        """One exchange. A hub that is just being started refuses connections for a moment; nothing was sent then."""
        if self._session is None:
            raise UnavailableError(what="the hub client", detail="it is not open")
        deadline = time.monotonic() + CONNECT_PATIENCE_S
        while True:
            try:
                return await self._exchange(self._session, method, path, data)
            except (aiohttp.ClientError, TimeoutError) as error:
                if not _is_refused(error) or time.monotonic() >= deadline:
                    raise UnavailableError(
                        what=f"the hub at {self._url}",
                        detail=_reason(error),
                        advice="check the address and that `skerry hub serve` runs there",
                    ) from error
            await asyncio.sleep(CONNECT_PAUSE_S)

    async def _exchange(
        self, session: aiohttp.ClientSession, method: str, path: str, data: bytes | None
    ) -> tuple[int, bytes]:
        # A file-like body is sent in pieces, where aiohttp would write large bytes at once.
        body = None if data is None else io.BytesIO(data)
        timeout = aiohttp.ClientTimeout(total=self._timeout_s + len(data or b"") / MIN_UPLOAD_BYTES_PER_S)
        async with session.request(
            method, self._url + path, data=body, allow_redirects=False, timeout=timeout
        ) as response:
            return response.status, await _read(response)

    @staticmethod
    def _check(method: str, path: str, status: int, body: bytes) -> None:
        if status < HTTPStatus.BAD_REQUEST:
            return
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except msgspec.DecodeError:
            problem = Problem(title=f"HTTP {status}", detail=body[:200].decode(errors="replace"))
        what = f"{method} {path}"
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}:
            raise UnavailableError(what=what, detail=problem.detail, advice=problem.advice)
        detail = problem.detail.removeprefix(f"{what} was refused: ")
        raise RemoteError(what=what, remote_name=problem.title, detail=detail, advice=problem.advice)


def _is_refused(error: Exception) -> bool:
    return isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno == errno.ECONNREFUSED


def _reason(error: Exception) -> str:
    """What the system said, without aiohttp's account of how it tried; of TLS, whose numbers are its own, all."""
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        cause = error.os_error
        return os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror or str(cause)
    return str(error) or type(error).__name__


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise LimitExceededError(what=str(response.url), limit=MAX_ANSWER_BYTES, got=len(body), unit="bytes")
    return bytes(body)
