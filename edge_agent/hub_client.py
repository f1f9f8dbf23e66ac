"""The hub over HTTP: ``HubPort`` on aiohttp. Requests are signed by the node's key (RFC 9421), answers are bounded."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import Self, TypeVar

import aiohttp
import msgspec

from edge_agent.config import LimitsConfig
from edge_agent.ports import Clock
from edge_agent.transfer import Budget, RateFloor
from edge_bundle import canonical
from edge_bundle.errors import ConflictError, FormatError, NotFoundError, RefusedError, SkerryError, UnavailableError
from edge_bundle.http_signature import sign_request
from edge_bundle.keys import SigningKey
from edge_bundle.messages import EnrolRequest, EnrolResponse, PollRequest, PollResponse

T = TypeVar("T")

MAX_ANSWER_BYTES = 1 << 20
"""A JSON answer of the hub; a poll answer is some 200 bytes per model."""

MAX_PROBLEM_BYTES = 64 << 10
"""An error answer (RFC 9457)."""

CHUNK_BYTES = 64 << 10
_BLOBS = "/v1/blobs/"
_CONTENT_RANGE = re.compile(r"bytes (?P<first>\d{1,15})-\d{1,15}/(?:\d{1,15}|\*)")
_PATIENCE = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Client errors that ask for patience (RFC 9110 section 15.5.9, RFC 8470, RFC 6585)."""


_UNWELCOME = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

_MALFORMED = frozenset({400, 413, 415, 422})
"""The request itself can never succeed (RFC 9110 section 15.5): sending it again is of no use."""


class Problem(msgspec.Struct, frozen=True):
    """The members of a problem document (RFC 9457) that the agent shows; others are ignored, as the RFC asks."""

    title: str = ""
    detail: str = ""
    advice: str = ""


class HubClient:
    """``HubPort`` over one connection pool. Use as ``async with HubClient(...) as hub``."""

    def __init__(
        self, *, url: str, key: SigningKey, limits: LimitsConfig, clock: Clock, monotonic: Clock = time.monotonic
    ) -> None:
        self._url = url.rstrip("/")
        self._key, self._limits = key, limits
        self._clock, self._monotonic = clock, monotonic
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # An answer unpacked unasked could be a bomb; cookies would be the hub's to fill this node's memory with.
        self._session = aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def enrol(self, request: EnrolRequest) -> EnrolResponse:
        """``POST /v1/enrol``, signed under the key's own id: the hub gave no name yet."""
        body = canonical.dumps(request)
        return await self._call("/v1/enrol", self._key.public.keyid, body, EnrolResponse)

    async def poll(self, node_id: str, request: PollRequest) -> PollResponse:
        """``POST /v1/nodes/{node_id}/poll``."""
        body = canonical.dumps(request)
        return await self._call(f"/v1/nodes/{node_id}/poll", node_id, body, PollResponse)

    async def telemetry(self, node_id: str, batch: bytes) -> None:
        """``POST /v1/nodes/{node_id}/telemetry``."""
        path = f"/v1/nodes/{node_id}/telemetry"
        async with self._request("POST", path, node_id, batch) as response:
            await self._read(response, path, MAX_ANSWER_BYTES)

    async def metadata(self, file: str, *, max_bytes: int) -> bytes | None:
        """``GET /tuf/metadata/{file}``; it is signed itself, so the request is not."""
        path = f"/tuf/metadata/{file}"
        try:
            async with self._request("GET", path, None, b"") as response:
                return await self._read(response, path, max_bytes)
        except NotFoundError:
            return None

    async def blob(self, node_id: str, digest: str, *, offset: int) -> AsyncGenerator[bytes, None]:
        """``GET /v1/blobs/{digest}`` from ``offset`` on (RFC 9110 section 14), also where ranges are ignored."""
        path = _BLOBS + digest
        extra = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._request("GET", path, node_id, b"", extra=extra, bounded=False) as response:
            skip = self._check_range(response, path, offset)
            while chunk := await self._next(response):
                if len(chunk) > skip:
                    yield chunk[skip:]
                skip = max(0, skip - len(chunk))

    async def _next(self, response: aiohttp.ClientResponse) -> bytes:
        """Some bytes of the body, none at its end. Framing alone (chunk extensions without end) is no progress."""
        async with asyncio.timeout(self._limits.rate_window_s):
            return await response.content.read(CHUNK_BYTES)

    @staticmethod
    def _check_range(response: aiohttp.ClientResponse, path: str, offset: int) -> int:
        """How many leading bytes of the body lie before ``offset``."""
        if not offset or response.status == HTTPStatus.OK:
            return offset
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match["first"]) != offset:
            got = response.headers.get("Content-Range", "no Content-Range")
            raise UnavailableError(what=path, detail=f"expected a range from byte {offset}, got {got[:80]!r}")
        return 0

    async def _call(self, path: str, node_id: str, body: bytes, answer: type[T]) -> T:
        async with self._request("POST", path, node_id, body) as response:
            data = await self._read(response, path, MAX_ANSWER_BYTES)
        return canonical.decode(data, answer, what=f"answer to {path}", max_bytes=MAX_ANSWER_BYTES)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        node_id: str | None,
        body: bytes,
        *,
        extra: Mapping[str, str] = MappingProxyType({}),
        bounded: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request.

        ``request_timeout_s`` bounds its head, since interim answers could go on for ever, and with ``bounded`` all of
        it (the downloader bounds blobs itself).
        """
        if self._session is None:
            raise UnavailableError(what="hub client", detail="it is not open")
        headers = {"Accept-Encoding": "identity", **extra}
        if body:
            headers["Content-Type"] = "application/json" if body.startswith(b"{") else "application/octet-stream"
        if node_id is not None:
            headers |= sign_request(self._key, node_id, method, path, body, int(self._clock()))
        try:
            async with asyncio.timeout(self._limits.request_timeout_s):
                response = await self._session.request(
                    method,
                    self._url + path,
                    data=body or None,
                    headers=headers,
                    allow_redirects=False,
                    timeout=self._timeout(bounded=bounded),
                )
            async with response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise await self._problem(response, path)
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unavailable(path, error) from error

    async def _read(self, response: aiohttp.ClientResponse, what: str, max_bytes: int) -> bytes:
        budget = Budget(what=what, max_bytes=max_bytes)
        rate = RateFloor(
            what=what,
            min_bytes_per_s=self._limits.min_rate_bytes_per_s,
            window_s=self._limits.rate_window_s,
            clock=self._monotonic,
        )
        chunks = []
        while chunk := await self._next(response):
            budget.add(len(chunk))
            rate.add(len(chunk))
            chunks.append(chunk)
        return b"".join(chunks)

    async def _problem(self, response: aiohttp.ClientResponse, path: str) -> SkerryError:
        status = response.status
        body = await self._read(response, path, MAX_PROBLEM_BYTES)
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except msgspec.DecodeError:
            problem = Problem(detail=f"HTTP {status}")
        detail = ": ".join(part for part in (problem.title, problem.detail) if part)[:500]
        what = f"hub {self._url}{path}"
        # A blob that the hub lacks, or that a proxy on the way will not fetch, says nothing against the release.
        if path.startswith(_BLOBS) and status not in _UNWELCOME:
            return UnavailableError(what=what, detail=detail, advice=problem.advice)
        if status == HTTPStatus.NOT_FOUND:
            return NotFoundError(what="hub resource", name=path, advice=problem.advice)
        if status == HTTPStatus.CONFLICT:
            return ConflictError(what=what, expected="no conflict", got=detail, advice=problem.advice)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PATIENCE:
            return UnavailableError(what=what, detail=detail, advice=problem.advice)
        if status in _MALFORMED:
            return FormatError(what=what, expected="a request that the hub takes", got=detail, advice=problem.advice)
        return RefusedError(what=what, detail=detail, advice=problem.advice)

    def _timeout(self, *, bounded: bool) -> aiohttp.ClientTimeout:
        limits = self._limits
        # A stall longer than the rate window is a rate of zero.
        return aiohttp.ClientTimeout(
            total=limits.request_timeout_s if bounded else None,
            sock_connect=limits.connect_timeout_s,
            sock_read=limits.rate_window_s,
        )

    def _unavailable(self, path: str, error: Exception) -> UnavailableError:
        return UnavailableError(what=f"hub {self._url}{path}", detail=_reason(error))


def _reason(error: Exception) -> str:
    """What the system said, without aiohttp's account of how it tried; of TLS, whose numbers are its own, all."""
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        cause = error.os_error
        number = cause.errno or 0
        return os.strerror(number) if number > 0 else cause.strerror or str(cause)
    return str(error) or type(error).__name__
