"""The hub over real sockets: honest, slow, lying and broken servers."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

from edge_agent.config import LimitsConfig
from edge_agent.hub_client import MAX_ANSWER_BYTES, HubClient
from edge_bundle.errors import (
    ConflictError,
    FormatError,
    LimitExceededError,
    NotFoundError,
    RefusedError,
    SkerryError,
    UnavailableError,
)
from edge_bundle.http_signature import verify_request
from edge_bundle.keys import SigningKey
from edge_bundle.messages import PollRequest

KEY = SigningKey.from_seed(b"k" * 32)
NOW_S = 1_800_000_000.0
LIMITS = LimitsConfig(
    min_rate_bytes_per_s=10_000, rate_window_s=0.3, connect_timeout_s=2.0, request_timeout_s=1.0, drain_s=1.0
)
POLL = PollRequest(boot_id="boot", agent_version="1", profile="cpu-fp32")
DIGEST = "sha256:" + "0" * 64
DATA = bytes(range(256)) * 40
TRICKLE_S = 0.01

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def with_server(
    handler: Handler, work: Callable[[HubClient], Awaitable[None]], *, host: str = "127.0.0.1"
) -> list[bytes]:
    """Run ``work`` against a server that answers each request by ``handler``; returns the requests' heads."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        try:
            await handler(head, writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, host, 0, family=socket.AF_INET)
        port = server.sockets[0].getsockname()[1]
        client = HubClient(
            url=f"http://{host}:{port}", key=KEY, limits=LIMITS, clock=lambda: NOW_S, monotonic=time.monotonic
        )
        async with server, client:
            await work(client)

    asyncio.run(main())
    return heads


def answer(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> Handler:
    """A server that always says this."""

    async def handler(_head: bytes, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return handler


async def poll(client: HubClient) -> None:
    await client.poll("node-1", POLL)


async def blob(client: HubClient, offset: int = 0) -> bytes:
    return b"".join([chunk async for chunk in client.blob("node-1", DIGEST, offset=offset)])


async def whole_blob(client: HubClient) -> None:
    assert await blob(client) == DATA


async def metadata(client: HubClient) -> None:
    await client.metadata("timestamp.json", max_bytes=1000)


PROBLEM = (
    b'{"type":"about:blank","title":"RefusedError","status":403,"detail":"unknown node","advice":"enrol","more":1}'
)


@pytest.mark.parametrize(
    ("handler", "call", "error", "text"),
    [
        pytest.param(answer("403 Forbidden", PROBLEM), poll, RefusedError, "unknown node", id="problem-document"),
        pytest.param(answer("401 Unauthorized"), poll, RefusedError, "HTTP 401", id="no-problem-document"),
        pytest.param(answer("404 Not Found"), poll, NotFoundError, "poll", id="not-found"),
        pytest.param(answer("404 Not Found"), whole_blob, UnavailableError, "blobs", id="hub-lost-a-blob"),
        pytest.param(answer("400 Bad Request"), whole_blob, UnavailableError, "HTTP 400", id="proxy-refuses-a-blob"),
        pytest.param(answer("409 Conflict"), whole_blob, UnavailableError, "HTTP 409", id="proxy-conflicts-on-a-blob"),
        pytest.param(answer("413 Too Large"), whole_blob, UnavailableError, "HTTP 413", id="proxy-limits-a-blob"),
        pytest.param(answer("302 Found"), whole_blob, UnavailableError, "HTTP 302", id="proxy-redirects-a-blob"),
        pytest.param(answer("403 Forbidden"), whole_blob, RefusedError, "HTTP 403", id="blob-not-for-this-node"),
        pytest.param(answer("409 Conflict"), poll, ConflictError, "HTTP 409", id="conflict"),
        pytest.param(answer("413 Too Large"), poll, FormatError, "HTTP 413", id="request-too-large"),
        pytest.param(answer("429 Slow Down"), poll, UnavailableError, "HTTP 429", id="too-many-requests"),
        pytest.param(answer("503 Busy"), poll, UnavailableError, "HTTP 503", id="busy"),
        pytest.param(
            answer("302 Found", b"", "Location: http://127.0.0.1:9/"), poll, RefusedError, "302", id="redirect"
        ),
        pytest.param(answer("200 OK", b"<html>"), poll, FormatError, "answer to", id="not-json"),
        pytest.param(answer("200 OK", b'{"desired":[]}'), poll, FormatError, "poll_interval_s", id="missing-field"),
        pytest.param(
            answer("200 OK", b"x" * (MAX_ANSWER_BYTES + 1)), poll, LimitExceededError, "bytes", id="huge-answer"
        ),
        pytest.param(answer("200 OK", b"x" * 1001), metadata, LimitExceededError, "bytes", id="huge-metadata"),
        pytest.param(answer("200 OK", b"x", length=100), poll, UnavailableError, "poll", id="cut-answer"),
        pytest.param(answer("200 OK", DATA[:10], length=100), whole_blob, UnavailableError, "blobs", id="cut-blob"),
        pytest.param(answer("BANANA"), poll, UnavailableError, "poll", id="not-http"),
    ],
)
def test_bad_answers(
    handler: Handler, call: Callable[[HubClient], Awaitable[None]], error: type[SkerryError], text: str
) -> None:
    async def work(client: HubClient) -> None:
        with pytest.raises(error, match=text):
            await call(client)

    with_server(handler, work)


def test_nobody_listens() -> None:
    async def main() -> None:
        client = HubClient(url="http://127.0.0.1:9", key=KEY, limits=LIMITS, clock=lambda: NOW_S)
        async with client:
            with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9") as caught:
                await poll(client)
        assert caught.value.detail == "Connection refused"

    asyncio.run(main())


def test_a_server_without_tls_is_told_as_such() -> None:
    async def main() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = HubClient(url=url, key=KEY, limits=LIMITS, clock=lambda: NOW_S)
        async with server, client:
            with pytest.raises(UnavailableError, match="SSL"):
                await poll(client)

    asyncio.run(main())


def test_requests_are_signed_by_the_node() -> None:
    async def work(client: HubClient) -> None:
        with pytest.raises(RefusedError):
            await blob(client, offset=5)

    (head,) = with_server(answer("403 Forbidden"), work)
    first, *rest = head.decode().strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest)
    assert first == f"GET /v1/blobs/{DIGEST} HTTP/1.1"
    assert headers["Range"] == "bytes=5-"

    def lookup(keyid: str) -> object:
        return KEY.public if keyid == "node-1" else None

    assert verify_request(headers, "GET", f"/v1/blobs/{DIGEST}", b"", lookup, NOW_S) == "node-1"  # type: ignore[arg-type]


@pytest.mark.parametrize("offset", [1, 5000, len(DATA) - 1])
def test_a_server_that_ignores_ranges_still_resumes_right(offset: int) -> None:
    async def work(client: HubClient) -> None:
        assert await blob(client, offset) == DATA[offset:]

    with_server(answer("200 OK", DATA), work)


def test_a_range_is_taken() -> None:
    async def work(client: HubClient) -> None:
        assert await blob(client, 5000) == DATA[5000:]

    with_server(
        answer("206 Partial Content", DATA[5000:], f"Content-Range: bytes 5000-{len(DATA) - 1}/{len(DATA)}"), work
    )


@pytest.mark.parametrize(
    "headers", [(), ("Content-Range: bytes 4999-5000/10240",), ("Content-Range: bytes x-y/z",)], ids=str
)
def test_a_range_that_was_not_asked_for_is_not_taken(headers: tuple[str, ...]) -> None:
    async def work(client: HubClient) -> None:
        with pytest.raises(UnavailableError, match="expected a range from byte 5000"):
            await blob(client, 5000)

    with_server(answer("206 Partial Content", DATA, *headers), work)


def test_compressed_answers_are_never_unpacked() -> None:
    bomb = gzip.compress(b" " * 10_000_000)

    async def work(client: HubClient) -> None:
        assert await client.metadata("root.json", max_bytes=20_000) == bomb

    with_server(answer("200 OK", bomb, "Content-Encoding: gzip"), work)


def test_metadata_that_is_not_there_is_none() -> None:
    async def work(client: HubClient) -> None:
        assert await client.metadata("2.root.json", max_bytes=1000) is None

    with_server(answer("404 Not Found"), work)


async def trickle_body(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    await trickle(writer)


async def trickle_head(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    await trickle(writer)


async def trickle(writer: asyncio.StreamWriter) -> None:
    """One byte now and then: every read is answered, nothing ever arrives."""
    for _ in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(TRICKLE_S)


INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def endless(start: bytes, piece: bytes) -> Handler:
    """A server that never comes to an end, faster than any rate floor."""

    async def handler(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(piece * 100)
            await writer.drain()
            await asyncio.sleep(TRICKLE_S)

    return handler


async def silence(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(10)


@pytest.mark.parametrize(
    ("handler", "call", "text"),
    [
        pytest.param(trickle_body, poll, "at least 10000 bytes/s", id="trickled-answer"),
        pytest.param(trickle_body, metadata, "at least 10000 bytes/s", id="trickled-metadata"),
        pytest.param(trickle_head, poll, "poll", id="trickled-head"),
        pytest.param(silence, poll, "poll", id="silence"),
        pytest.param(silence, whole_blob, "blobs", id="silent-blob"),
        pytest.param(endless(b"", INTERIM), poll, "poll", id="endless-interim-answers"),
        pytest.param(endless(b"", INTERIM), whole_blob, "blobs", id="endless-interim-answers-to-blob"),
        pytest.param(endless(CHUNKED + b"5;", b"x" * 1000), poll, "poll", id="endless-chunk-extension"),
        pytest.param(endless(CHUNKED + b"5;", b"x" * 1000), whole_blob, "blobs", id="endless-chunk-extension-in-blob"),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), poll, "Too many headers", id="endless-headers"),
        pytest.param(endless(CHUNKED + b"0\r\n", b"X: y\r\n"), poll, "poll", id="endless-trailers"),
    ],
)
def test_slow_servers_are_cut_off(handler: Handler, call: Callable[[HubClient], Awaitable[None]], text: str) -> None:
    async def work(client: HubClient) -> None:
        with pytest.raises(UnavailableError, match=text):
            await call(client)

    with_server(handler, work)


def test_cookies_are_not_kept() -> None:
    async def twice(client: HubClient) -> None:
        for _ in range(2):
            await client.metadata("timestamp.json", max_bytes=1000)

    cookies = [f"Set-Cookie: {name}={'x' * 1000}; Path=/" for name in "abc"]
    heads = with_server(answer("200 OK", b"{}", "Connection: close", *cookies), twice, host="localhost")
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)


def test_a_closed_client_says_so() -> None:
    client = HubClient(url="http://127.0.0.1:9", key=KEY, limits=LIMITS, clock=lambda: NOW_S)
    with pytest.raises(UnavailableError, match="not open"):
        asyncio.run(poll(client))
