"""Roles, limits, problem documents and configuration of a hub over real HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from edge_bundle.digest import sha256_digest
from edge_bundle.errors import InvalidInputError, RemoteError, UnavailableError
from fleet_hub.api import Problem
from fleet_hub.config import CONFIG_FILE, LimitsConfig, load_config
from fleet_hub.operator_client import OperatorClient
from fleet_hub.server import run_hub
from tests.fleet_hub.over_http import fetch, with_hub
from tests.fleet_hub.running import RunningHub, enrolled, init, serve

ROLE_TABLE = [
    ("POST", "/v1/tokens", "operate"),
    ("POST", "/v1/rollouts", "operate"),
    ("POST", "/v1/releases", "publish"),
    ("PUT", f"/v1/blobs/{sha256_digest(b'')}", "publish"),
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
