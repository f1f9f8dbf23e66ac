"""The hub's HTTP interface for operators and publishers: one method per call, JSON in and out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import aiohttp
import msgspec

from edge_bundle.errors import FormatError, LimitExceededError, NotFoundError, RefusedError, UnavailableError

Json: TypeAlias = dict[str, Any]

MAX_ANSWER_BYTES = 64 << 20
"""Largest answer read into memory; lists of ten thousand nodes stay far below it."""

NOT_FOUND = 404
PATIENCE = frozenset({429, 502, 503, 504})
"""Statuses that ask to come back later (RFC 9110 section 15.6, RFC 6585 section 4)."""


@dataclass(frozen=True)
class HubAddress:
    """Where the hub is and who asks."""

    url: str
    token: str = ""
    timeout_s: float = 60.0


class HubClient:
    """Calls to one hub. Raises ``UnavailableError``, ``RefusedError`` (naming the hub's error) or ``NotFoundError``."""

    def __init__(self, session: aiohttp.ClientSession, address: HubAddress) -> None:
        self._session, self._address = session, address

    async def create_token(self, labels: Mapping[str, str]) -> Json:
        """A one-time token for one node; the labels become the node's."""
        return await self._call("POST", "/v1/tokens", {"labels": dict(labels)})

    async def nodes(self) -> Json:
        """Every node: its name, labels, profile, and when it was last seen."""
        return await self._call("GET", "/v1/nodes")

    async def releases(self) -> Json:
        """Every release."""
        return await self._call("GET", "/v1/releases")

    async def release(self, model: str, version: str) -> Json:
        """One release with its variants and proofs."""
        return await self._call("GET", f"/v1/releases/{model}/{version}")

    async def team_role(self, role: str) -> bytes | None:
        """The current signed metadata of a team role; ``None`` before its first release."""
        try:
            return await self._bytes("GET", f"/v1/team/{role}")
        except NotFoundError:
            return None

    async def put_blob(self, digest: str, data: bytes) -> None:
        """Upload one blob; a blob that the hub already has is accepted again."""
        await self._bytes("PUT", f"/v1/blobs/{digest}", data=data)

    async def publish(self, body: Json) -> Json:
        """Admit a release whose blobs are uploaded."""
        return await self._call("POST", "/v1/releases", body)

    async def start_rollout(self, body: Json) -> Json:
        """Start moving the selected nodes to a release."""
        return await self._call("POST", "/v1/rollouts", body)

    async def rollouts(self) -> Json:
        """Every rollout."""
        return await self._call("GET", "/v1/rollouts")

    async def rollout(self, rollout_id: str) -> Json:
        """One rollout with the state of each node."""
        return await self._call("GET", f"/v1/rollouts/{rollout_id}")

    async def running(self) -> Json:
        """What exactly runs where."""
        return await self._call("GET", "/v1/running")

    async def telemetry(self) -> Json:
        """Sums of the telemetry received, per node and variant."""
        return await self._call("GET", "/v1/telemetry/summary")

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = await self._bytes(method, path, data=None if body is None else msgspec.json.encode(body))
        try:
            return msgspec.json.decode(answer, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise FormatError(what=f"answer to {method} {path}", expected="a JSON object", got=str(error)) from error

    async def _bytes(self, method: str, path: str, data: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self._address.token}"} if self._address.token else {}
        if data is not None and method == "POST":
            headers["Content-Type"] = "application/json"
        url = self._address.url.rstrip("/") + path
        try:
            async with self._session.request(method, url, data=data, headers=headers) as response:
                answer = await read_bounded(response, MAX_ANSWER_BYTES)
                if response.status >= 400:  # noqa: PLR2004 - RFC 9110: client and server errors
                    raise _refusal(f"{method} {path}", response.status, answer)
                return answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(
                what=f"hub {self._address.url}",
                detail=str(error) or type(error).__name__,
                advice="check the address (--hub) and that `skerry hub serve` runs there",
            ) from error


async def read_bounded(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The whole body, or ``LimitExceededError`` as soon as it grows over ``max_bytes``."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > max_bytes:
            raise LimitExceededError(what=str(response.url), limit=max_bytes, got=size, unit="bytes")
        parts.append(part)
    return b"".join(parts)


def _refusal(call: str, status: int, answer: bytes) -> Exception:
    try:
        problem = msgspec.json.decode(answer, type=dict[str, Any])
    except msgspec.DecodeError:
        problem = {"title": f"HTTP {status}", "detail": answer[:200].decode("utf-8", "replace")}
    detail, advice = f"{problem.get('detail', '')} [{problem.get('title', status)}]", str(problem.get("advice") or "")
    if status == NOT_FOUND:
        return NotFoundError(what="such thing at the hub", name=call, advice=advice)
    if status in PATIENCE:
        return UnavailableError(what=call, detail=detail, advice=advice)
    return RefusedError(what=call, detail=detail, advice=advice)


@asynccontextmanager
async def open_hub(address: HubAddress) -> AsyncIterator[HubClient]:
    """A client with its own connections, closed on leaving."""
    timeout = aiohttp.ClientTimeout(total=address.timeout_s)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield HubClient(session, address)
