"""Blobs, roles, limits and problem documents over real HTTP."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from edge_bundle.digest import sha256_digest
from edge_bundle.errors import InvalidInputError, RemoteError, UnavailableError
from fleet_hub.api import Problem
from fleet_hub.config import CONFIG_FILE, LimitsConfig, load_config
from fleet_hub.operator_client import OperatorClient
from fleet_hub.server import run_hub
from tests.fleet_hub.running import RunningHub, enrolled, init, serve

BLOB = bytes(range(256)) * 4096
DIGEST = sha256_digest(BLOB)
SIZE = len(BLOB)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub for tests that leave it as it was."""
    with serve(init(tmp_path_factory.mktemp("shared"))) as hub:
        yield hub


def with_hub(tmp_path: Path, run: Callable[[RunningHub], Awaitable[None]], limits: LimitsConfig | None = None) -> None:
    async def main(hub: RunningHub) -> None:
        await run(hub)

    with serve(init(tmp_path, limits=limits or LimitsConfig())) as hub:
        asyncio.run(main(hub))


async def fetch(
    hub: RunningHub,
    method: str,
    path: str,
    *,
    role: str | None = "publisher",
    data: bytes | AsyncIterator[bytes] | None = None,
    **headers: str,
) -> tuple[int, Mapping[str, str], bytes]:
    if role:
        headers["Authorization"] = f"Bearer {hub.result.tokens.get(role, role)}"
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(
            method, hub.url + path, data=BytesIO(data) if isinstance(data, bytes) else data, headers=sent
        ) as response,
    ):
        return response.status, response.headers, await response.read()


@pytest.mark.parametrize(
    ("header", "status", "want"),
    [
        pytest.param(None, 200, BLOB, id="whole"),
        pytest.param("bytes=0-9", 206, BLOB[:10], id="first-ten"),
        pytest.param("bytes=1000000-", 206, BLOB[1_000_000:], id="resume"),
        pytest.param("bytes=-5", 206, BLOB[-5:], id="suffix"),
        pytest.param("bytes=0-", 200, BLOB, id="all-as-range"),
        pytest.param(f"bytes=0-{SIZE * 2}", 200, BLOB, id="end-beyond"),
        pytest.param(f"bytes={SIZE}-", 416, b"", id="start-beyond"),
        pytest.param("bytes=5-2", 200, BLOB, id="backwards-is-ignored"),
        pytest.param("bytes=0-1,4-5", 200, BLOB, id="several-are-answered-whole"),
        pytest.param("lines=1-2", 200, BLOB, id="unknown-unit-is-ignored"),
        pytest.param("bytes=x", 200, BLOB, id="nonsense-is-ignored"),
    ],
)
def test_ranges(shared: RunningHub, header: str | None, status: int, want: bytes) -> None:
    async def run(hub: RunningHub) -> None:
        assert (await fetch(hub, "PUT", f"/v1/blobs/{DIGEST}", data=BLOB))[0] in {200, 201}
        path = f"/v1/blobs/{DIGEST}"
        got, answer, body = await (fetch(hub, "GET", path, Range=header) if header else fetch(hub, "GET", path))
        assert (got, body) == (status, want)
        assert answer["ETag"] == f'"{DIGEST}"'
        if status == 206:
            start = BLOB.index(want) if len(want) > 300 else SIZE - 5 if header == "bytes=-5" else 0
            assert answer["Content-Range"] in {
                f"bytes {start}-{start + len(want) - 1}/{SIZE}",
                "bytes 1000000-1048575/1048576",
            }
        if status == 416:
            assert answer["Content-Range"] == f"bytes */{SIZE}"

    asyncio.run(run(shared))


def test_blob_is_created_once(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        statuses = [(await fetch(hub, "PUT", f"/v1/blobs/{DIGEST}", data=BLOB))[0] for _ in range(2)]
        assert statuses == [201, 200]

    with_hub(tmp_path, run)


def test_conditional_requests(shared: RunningHub) -> None:
    async def run(hub: RunningHub) -> None:
        path, tag = f"/v1/blobs/{DIGEST}", f'"{DIGEST}"'
        await fetch(hub, "PUT", path, data=BLOB)
        assert (await fetch(hub, "GET", path, If_None_Match=tag))[0] == 304
        assert (await fetch(hub, "GET", path, Range="bytes=0-1", If_Range=tag))[0] == 206
        assert (await fetch(hub, "GET", path, Range="bytes=0-1", If_Range='"other"'))[0] == 200
        status, headers, body = await fetch(hub, "HEAD", path)
        assert (status, headers["Content-Length"], body) == (200, str(SIZE), b"")

    asyncio.run(run(shared))


@pytest.mark.parametrize(
    ("path", "data", "status", "title"),
    [
        pytest.param(f"/v1/blobs/{DIGEST}", BLOB[:-1], 422, "DigestMismatchError", id="truncated"),
        pytest.param(f"/v1/blobs/{DIGEST}", BLOB[:-1] + b"\x00", 422, "DigestMismatchError", id="flipped-byte"),
        pytest.param(f"/v1/blobs/{DIGEST}", BLOB * 4, 413, "LimitExceededError", id="oversized"),
        pytest.param("/v1/blobs/sha256:..%2f..%2fhub.toml", b"x", 400, "FormatError", id="path-traversal"),
        pytest.param("/v1/blobs/" + DIGEST.upper(), BLOB, 400, "FormatError", id="upper-case"),
        pytest.param("/v1/blobs/md5:00", b"x", 400, "FormatError", id="other-algorithm"),
    ],
)
def test_bad_uploads_leave_nothing(tmp_path: Path, path: str, data: bytes, status: int, title: str) -> None:
    async def run(hub: RunningHub) -> None:
        got, _, body = await fetch(hub, "PUT", path, data=data)
        assert (got, msgspec.json.decode(body, type=Problem).title) == (status, title)
        assert [path for path in (hub.directory / "blobs").rglob("*") if path.is_file()] == []

    with_hub(tmp_path, run, LimitsConfig(max_blob_bytes=2 * SIZE))


def test_content_coding_is_refused(shared: RunningHub) -> None:
    async def run(hub: RunningHub) -> None:
        status, _, body = await fetch(hub, "PUT", f"/v1/blobs/{DIGEST}", data=BLOB, Content_Encoding="gzip")
        assert (status, msgspec.json.decode(body, type=Problem).title) == (400, "FormatError")

    asyncio.run(run(shared))


def test_cut_off_upload_leaves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run(hub: RunningHub) -> None:
        host, port = hub.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        token = hub.result.tokens["publisher"]
        head = f"PUT /v1/blobs/{DIGEST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {SIZE}\r\n\r\n"
        writer.write(head.encode() + BLOB[:1000])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
        for _ in range(100):
            if not list((hub.directory / "blobs").rglob(".part-*")):
                break
            await asyncio.sleep(0.05)
        assert list((hub.directory / "blobs").rglob("*")) == []
        assert (await fetch(hub, "PUT", f"/v1/blobs/{DIGEST}", data=BLOB))[0] == 201

    with_hub(tmp_path, run)
    assert "bug at" not in caplog.text


@pytest.mark.parametrize(
    ("number", "detail"),
    [
        pytest.param(errno.ENOSPC, "the disk is full", id="disk-full"),
        pytest.param(errno.EIO, "the hub's storage failed", id="disk-broken"),
    ],
)
def test_disk_trouble_is_the_hubs_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, detail: str
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    async def run(hub: RunningHub) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            status, headers, body = await fetch(hub, "PUT", f"/v1/blobs/{DIGEST}", data=BLOB)
        assert (status, msgspec.json.decode(body, type=Problem).title) == (503, "UnavailableError")
        assert detail.encode() in body
        assert "Retry-After" in headers
        assert [path for path in (hub.directory / "blobs").rglob("*") if path.is_file()] == []
        assert (await fetch(hub, "PUT", f"/v1/blobs/{DIGEST}", data=BLOB))[0] == 201

    with_hub(tmp_path, run)


def test_left_overs_of_a_crash_are_swept_at_start(tmp_path: Path) -> None:
    result = init(tmp_path)
    (tmp_path / "hub" / "blobs").mkdir()
    (tmp_path / "hub" / "blobs" / ".part-dead").write_bytes(b"half")
    with serve(result):
        assert list((tmp_path / "hub" / "blobs").iterdir()) == []


def test_nodes_may_read_blobs_with_their_signature(shared: RunningHub) -> None:
    async def run(hub: RunningHub) -> None:
        await fetch(hub, "PUT", f"/v1/blobs/{DIGEST}", data=BLOB)
        node = await enrolled(hub)
        assert await node.send("GET", f"/v1/blobs/{DIGEST}") == (200, BLOB)
        assert (await node.send("GET", f"/v1/blobs/{sha256_digest(b'')}"))[0] == 404
        assert (await fetch(hub, "GET", f"/v1/blobs/{DIGEST}", role=None))[0] == 401

    asyncio.run(run(shared))


ROLE_TABLE = [
    ("POST", "/v1/tokens", "operate"),
    ("POST", "/v1/rollouts", "operate"),
    ("POST", "/v1/releases", "publish"),
    ("PUT", f"/v1/blobs/{DIGEST}", "publish"),
    ("GET", "/v1/team/vision", "publish"),
    ("GET", "/v1/team/vision/rules", "publish"),
    ("GET", "/v1/nodes", "view"),
    ("GET", "/v1/nodes/events", "view"),
    ("GET", "/v1/releases", "view"),
    ("GET", "/v1/releases/digits/1.0.0", "view"),
    ("GET", "/v1/rollouts", "view"),
    ("GET", "/v1/rollouts/digits-1", "view"),
    ("GET", "/v1/running", "view"),
    ("GET", "/v1/telemetry/summary", "view"),
    ("GET", "/v1/audit", "view"),
]
MAY = {"viewer": {"view"}, "operator": {"view", "operate"}, "publisher": {"view", "publish"}}


def test_every_route_asks_for_its_permission(shared: RunningHub) -> None:
    async def run(hub: RunningHub) -> None:
        for method, path, permission in ROLE_TABLE:
            for role, granted in MAY.items():
                status, _, _ = await fetch(hub, method, path, role=role, data=b"{}" if method != "GET" else None)
                assert (status == 403) == (permission not in granted), (method, path, role, status)
            for stranger in (None, "skerry_operator_" + "0" * 64, ""):
                status, headers, _ = await fetch(hub, method, path, role=stranger)
                assert status == 401, (method, path, stranger)
                assert "WWW-Authenticate" in headers

    asyncio.run(run(shared))


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "title"),
    [
        pytest.param("GET", "/v2/nothing", None, 404, "Not Found", id="no-such-route"),
        pytest.param("DELETE", "/v1/nodes", None, 405, "Method Not Allowed", id="wrong-method"),
        pytest.param("POST", "/v1/tokens", b"{", 400, "FormatError", id="broken-json"),
        pytest.param("POST", "/v1/tokens", b'{"label":{}}', 400, "FormatError", id="unknown-key"),
        pytest.param("POST", "/v1/tokens", b'{"ttl_s":-1}', 400, "FormatError", id="negative-ttl"),
        pytest.param("POST", "/v1/tokens", b" " * (2 << 20), 413, "LimitExceededError", id="oversized-json"),
        pytest.param("GET", "/v1/releases/digits/1.0.0", None, 404, "NotFoundError", id="no-such-release"),
        pytest.param("GET", "/v1/audit?after=-1", None, 400, "InvalidInputError", id="bad-query"),
        pytest.param("GET", "/tuf/metadata/online.key", None, 404, "NotFoundError", id="not-metadata"),
    ],
)
def test_problems(shared: RunningHub, method: str, path: str, data: bytes | None, status: int, title: str) -> None:
    async def run(hub: RunningHub) -> None:
        got, headers, body = await fetch(hub, method, path, role="operator", data=data)
        problem = msgspec.json.decode(body, type=Problem)
        assert (got, problem.status, problem.title) == (status, status, title)
        assert headers["Content-Type"] == "application/problem+json"

    asyncio.run(run(shared))


def test_body_of_unknown_length_is_bounded_too(shared: RunningHub) -> None:
    async def run(hub: RunningHub) -> None:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield bytes(1 << 16)

        status, _, _ = await fetch(hub, "POST", "/v1/tokens", role="operator", data=endless())
        assert status == 413

    asyncio.run(run(shared))


def test_silent_sender_is_let_go(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        host, port = hub.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        token = hub.result.tokens["operator"]
        writer.write(
            f"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 30)
        assert b" 408 " in answer
        writer.close()
        await writer.wait_closed()

    with_hub(tmp_path, run, LimitsConfig(request_timeout_s=0.2))


def test_health_and_metrics(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        await enrolled(hub)
        assert (await fetch(hub, "GET", "/healthz", role=None))[0] == 200
        status, headers, body = await fetch(hub, "GET", "/metrics", role=None)
        assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        lines = body.decode().splitlines()
        assert "skerry_hub_nodes 1" in lines
        assert 'skerry_hub_requests_total{method="POST",route="/v1/enrol",status="200"} 1' in lines
        hub.clock.offset_s = 400 * 86_400.0
        status, _, body = await fetch(hub, "GET", "/healthz", role=None)
        assert status == 503
        assert b"timestamp" in body

    with_hub(tmp_path, run)


def test_secrets_stay_out_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run(hub: RunningHub) -> None:
        async with hub.client("operator") as operator:
            token = (await operator.create_token({})).token
        for secret in (token, *hub.result.tokens.values()):
            assert secret not in caplog.text
        assert "POST /v1/tokens 201" in caplog.text
        await fetch(hub, "GET", "/v1/nodes%0aGET%20/forged%20line")
        assert "/v1/nodes%0AGET%20/forged%20line 404" in caplog.text

    with caplog.at_level("INFO"):
        with_hub(tmp_path, run)


def test_port_in_use_says_so(tmp_path: Path) -> None:
    result = init(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        text = result.config_file.read_text().replace("port = 0", f"port = {port}")
        result.config_file.write_text(text)
        with pytest.raises(UnavailableError, match="the port is in use"):
            asyncio.run(run_hub(load_config(result.config_file), stop=asyncio.Event()))


def test_unreachable_hub_says_so(tmp_path: Path) -> None:
    with serve(init(tmp_path)) as hub:
        client = hub.client("viewer")

    async def run() -> None:
        async with client:
            await client.nodes()

    with pytest.raises(UnavailableError):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("prot = 1", "prot", id="mistyped-key"),
        pytest.param("port = 99999", "port", id="port-out-of-range"),
        pytest.param("[trust]\ntimestamp_ttl_s = 5.0", "trust.timestamp_refresh_s", id="refresh-after-expiry"),
        pytest.param("[limits]\nrequest_timeout_s = 0.0", "limits.request_timeout_s", id="no-timeout"),
    ],
)
def test_configuration_errors_name_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        load_config(tmp_path)
    assert caught.value.key == key
    assert CONFIG_FILE in str(caught.value)


def test_refusals_keep_the_hubs_own_name(shared: RunningHub) -> None:
    async def run(hub: RunningHub) -> None:
        async with hub.client("viewer") as viewer:
            with pytest.raises(RemoteError) as caught:
                await viewer.create_token({})
        assert (caught.value.name, caught.value.advice) == ("RefusedError", "use a token of role operator")

    asyncio.run(run(shared))


def test_client_waits_for_a_hub_that_is_being_started(unused_port: int) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"items": []})

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/v1/nodes", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        async with OperatorClient(f"http://127.0.0.1:{unused_port}", "token") as client:
            asking = asyncio.create_task(client.nodes())
            await asyncio.sleep(0.2)
            assert not asking.done()
            await web.TCPSite(runner, "127.0.0.1", unused_port).start()
            assert await asking == ()
        await runner.cleanup()

    asyncio.run(run())


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
