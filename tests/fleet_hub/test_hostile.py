"""Attacks on a real hub over real sockets: raw bytes, odd numbers, stolen nodes, rival teams."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from edge_bundle import blobs, canonical
from edge_bundle.errors import RemoteError
from edge_bundle.http_signature import content_digest, sign_request
from edge_bundle.limits import MAX_MODELS, MAX_OUTCOMES
from edge_bundle.telemetry import EventRecord, ServingRecord, TelemetryBatch
from fleet_hub.config import LimitsConfig
from fleet_hub.trust.ceremony import TeamRole
from tests.fleet_hub.running import PROFILE, TEAM, Node, RunningHub, enrolled, init, serve
from tests.fleet_hub.samples import ALICE, BOB, CAROL, MALLORY, make_bundle

HEAD = b"Host: hub\r\nConnection: close\r\n"
DIGEST = "sha256:" + "1" * 64


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub for tests that leave it as it was."""
    with serve(init(tmp_path_factory.mktemp("hostile"))) as hub:
        yield hub


async def raw(hub: RunningHub, data: bytes) -> bytes:
    """Everything the hub says to these bytes, until it closes."""
    host, _, port = hub.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def _stale_signature(digest: bytes) -> bytes:
    given = b'sig1=("@method" "@path" "content-digest");created=%d;keyid="a";alg="ed25519"' % int(time.time())
    return b"Signature-Input: %b\r\nSignature: sig1=:%b==:\r\nContent-Digest: %b\r\n" % (given, b"A" * 86, digest)


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        pytest.param(b"GET /v1/nodes", b"Authorization: Bearer \xff\xfe\r\n", 401, id="token-of-raw-bytes"),
        pytest.param(b"GET /v1/nodes", b"Authorization: Bearer\r\n", 401, id="token-of-nothing"),
        pytest.param(b"POST /v1/nodes/a/poll", _stale_signature(b"\xff"), 401, id="digest-of-raw-bytes"),
        pytest.param(b"GET /\xff", b"", 400, id="path-of-raw-bytes"),
        pytest.param(b"GET /v1/nodes/%ff%00", b"", 404, id="path-of-escaped-bytes"),
        pytest.param(b"GET /x\x1b[31m", b"", 400, id="path-with-terminal-codes"),
        pytest.param(b"GET /tuf/metadata/..%2fonline.key", b"", 404, id="traversal-escaped"),
        pytest.param(b"GET /tuf/metadata/../online.key", b"", 404, id="traversal-plain"),
        pytest.param(b"GET /tuf/metadata/1.root.json%00.key", b"", 404, id="traversal-nul"),
        pytest.param(b"FROBNICATE /metrics", b"", 400, id="method-nobody-knows"),
        pytest.param(b"GET /healthz", b"X: y\r\n" * 500, 400, id="headers-too-many"),
        pytest.param(b"GET /healthz", b"X: %b\r\n" % (b"y" * 100_000), 400, id="header-too-long"),
        pytest.param(
            b"POST /v1/enrol", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", 400, id="smuggling-two-lengths"
        ),
        pytest.param(b"POST /v1/enrol", b"Content-Length: 4\r\nContent-Length: 5\r\n", 400, id="smuggling-lengths"),
        pytest.param(b"POST /v1/enrol", b"Content-Length: -1\r\n", 400, id="length-negative"),
    ],
)
def test_odd_requests_are_refused_not_failed(
    shared: RunningHub, request_line: bytes, headers: bytes, status: int
) -> None:
    answer = asyncio.run(raw(shared, request_line + b" HTTP/1.1\r\n" + HEAD + headers + b"\r\n"))
    assert status_of(answer) == status


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="half-open"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHos", id="half-a-head"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\nGET", id="half-a-second-head"),
    ],
)
def test_a_head_that_never_ends_is_cut_off(tmp_path: Path, sent: bytes) -> None:
    async def run(hub: RunningHub) -> None:
        async with asyncio.timeout(20.0):
            await raw(hub, sent)

    with serve(init(tmp_path, limits=LimitsConfig(request_timeout_s=0.2))) as hub:
        asyncio.run(run(hub))


def _encoded(metadata: bytes) -> str:
    return base64.b64encode(metadata).decode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param('{"team_role":"vision","team_metadata":"\u00e9"}'.encode(), 400, id="base64-in-another-script"),
        pytest.param(b'{"team_role":"vision","team_metadata":"\xff"}', 400, id="no-utf8"),
        pytest.param(b'{"team_role":"vision","team_role":"x","team_metadata":""}', 400, id="role-twice"),
        pytest.param(b'{"team_role":"../vision","team_metadata":""}', 400, id="role-with-a-path"),
        pytest.param(b'{"team_role":"root","team_metadata":""}', 404, id="role-of-the-ceremony"),
        pytest.param(b'{"team_role":"vision","team_metadata":"' + b"A" * (8 << 20) + b'"}', 413, id="huge"),
        pytest.param(
            json.dumps({"team_role": TEAM, "team_metadata": _encoded(b'{"signed":{"_type":"\\ud800"}}')}).encode(),
            400,
            id="half-a-character-quoted-back",
        ),
    ],
)
def test_hostile_publications_are_refused(shared: RunningHub, body: bytes, status: int) -> None:
    async def run() -> int:
        headers = {"Authorization": f"Bearer {shared.result.tokens['publisher']}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{shared.url}/v1/releases", data=BytesIO(body)) as answer,
        ):
            return answer.status

    assert asyncio.run(run()) == status


def test_a_team_cannot_take_a_path_of_another_nor_keep_the_hub_from_starting(tmp_path: Path) -> None:
    teams = (
        TeamRole("vision", ("digits/*.json",), (ALICE.public, BOB.public), 2),
        TeamRole("everybody", ("*/*.json",), (CAROL.public, MALLORY.public), 2),
    )
    result = init(tmp_path, teams=teams)

    async def publish_both(hub: RunningHub) -> None:
        async with hub.client("publisher") as client:
            await client.publish(make_bundle(tmp_path / "own"), (ALICE, BOB), "vision")
            foreign = make_bundle(tmp_path / "foreign", keys=(CAROL, MALLORY))
            with pytest.raises(RemoteError, match="belongs to team role vision"):
                await client.publish(foreign, (CAROL, MALLORY), "everybody")

    async def listed(hub: RunningHub) -> list[str]:
        async with hub.client("viewer") as client:
            return [release.team_role for release in await client.list_releases()]

    with serve(result) as hub:
        asyncio.run(publish_both(hub))
    with serve(result) as hub:
        assert asyncio.run(listed(hub)) == ["vision"]


# A stolen node: its key signs, what it says lies.

SLOT = {
    "model": "digits",
    "version": "1.0.0",
    "bundle_digest": DIGEST,
    "variant_digest": DIGEST,
    "profile": PROFILE,
    "runtime": "onnxruntime",
    "activated_at_ms": 0,
}
OUTCOME = {"rollout_id": "r", "model": "digits", "version": "1.0.0", "result": "failed", "at_ms": 0}


def _poll_body(**members: Any) -> bytes:
    return json.dumps({"boot_id": "b", "agent_version": "1", "profile": PROFILE, **members}).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_poll_body(slots=[{**SLOT, "activated_at_ms": 10**20}]), id="time-beyond-64-bits"),
        pytest.param(_poll_body(slots=[{**SLOT, "activated_at_ms": 1152921504606847000}]), id="time-beyond-json"),
        pytest.param(_poll_body(slots=[{**SLOT, "activated_at_ms": -1}]), id="time-negative"),
        pytest.param(_poll_body(slots=[SLOT] * (MAX_MODELS + 1)), id="slots-too-many"),
        pytest.param(_poll_body(slots=[{**SLOT, "bundle_digest": "x" * 1000}]), id="digest-that-is-none"),
        pytest.param(_poll_body(slots=[{**SLOT, "model": "../digits"}]), id="model-with-a-path"),
        pytest.param(_poll_body(slots=[{**SLOT, "runtime": "a\x1b[2Jb"}]), id="terminal-codes"),
        pytest.param(_poll_body(outcomes=[OUTCOME] * (MAX_OUTCOMES + 1)), id="outcomes-too-many"),
        pytest.param(_poll_body(outcomes=[{**OUTCOME, "detail": "x" * 10_000}]), id="detail-too-long"),
        pytest.param(_poll_body(outcomes=[{**OUTCOME, "detail": "a\x1b[2J"}]), id="detail-with-terminal-codes"),
        pytest.param(_poll_body(outcomes=[{**OUTCOME, "error": "Bad\nError"}]), id="error-of-two-lines"),
        pytest.param(_poll_body(agent_version="v" * 10_000), id="version-too-long"),
        pytest.param(_poll_body().replace(b'"1"', b'"\\ud800"'), id="half-a-character"),
        pytest.param(_poll_body().replace(b'"b"', b'"b","boot_id":"c"'), id="key-twice"),
    ],
)
def test_a_node_cannot_store_what_the_hub_could_not_show(shared: RunningHub, body: bytes) -> None:
    async def run() -> None:
        node = await enrolled(shared)
        status, answer = await node.send("POST", f"/v1/nodes/{node.node_id}/poll", body)
        assert (status, msgspec.json.decode(answer)["title"]) == (400, "FormatError")
        async with shared.client("viewer") as viewer:
            await viewer.running()
            await viewer.nodes()

    asyncio.run(run())


def test_a_signature_for_one_path_holds_on_no_other(shared: RunningHub) -> None:
    async def run() -> None:
        node, other = await enrolled(shared), await enrolled(shared)
        body = _poll_body()
        path = f"/v1/nodes/{node.node_id}/poll"
        signed = sign_request(node.key, node.node_id, "POST", path, body, time.time())
        async with aiohttp.ClientSession() as session:
            for method, elsewhere in (
                ("POST", f"/v1/nodes/{node.node_id}/telemetry"),
                ("POST", f"/v1/nodes/{other.node_id}/poll"),
                ("POST", f"{path}/"),
                ("POST", f"/v1/nodes/x/../{node.node_id}/poll?x=1"),
                ("GET", f"/v1/blobs/{DIGEST}"),
            ):
                async with session.request(method, shared.url + elsewhere, data=body, headers=signed) as answer:
                    assert answer.status in {401, 404}
            async with session.post(shared.url + path, data=body, headers=signed) as answer:
                assert answer.status == 200

    asyncio.run(run())


def test_no_body_of_a_stranger_is_waited_for(shared: RunningHub) -> None:
    async def run() -> None:
        node, stranger = await enrolled(shared), Node(shared)
        path = f"/v1/nodes/{node.node_id}/telemetry"
        signed = sign_request(stranger.key, node.node_id, "POST", path, b"x", time.time())
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items()).encode()
        head = f"POST {path} HTTP/1.1\r\nContent-Length: 1000000\r\n".encode() + HEAD + lines + b"\r\n"
        async with asyncio.timeout(10.0):
            assert status_of(await raw(shared, head + b"x" * 1000)) == 401
        body = b"{}" + b" " * (1 << 18)
        status, answer = await node.send("POST", "/v1/enrol", body)
        assert (status, msgspec.json.decode(answer)["title"]) == (413, "LimitExceededError")

    asyncio.run(run())


def test_a_body_other_than_the_signed_one_is_refused(shared: RunningHub) -> None:
    async def run() -> None:
        node = await enrolled(shared)
        path = f"/v1/nodes/{node.node_id}/poll"
        signed = sign_request(node.key, node.node_id, "POST", path, _poll_body(), time.time())
        other = _poll_body(agent_version="2")
        async with aiohttp.ClientSession() as session:
            for headers in (signed, {**signed, "Content-Digest": content_digest(other)}):
                async with session.post(shared.url + path, data=other, headers=headers) as answer:
                    assert answer.status == 401

    asyncio.run(run())


def test_one_token_admits_one_of_many_nodes_at_the_same_time(shared: RunningHub) -> None:
    async def run() -> None:
        async with shared.client("operator") as operator:
            token = (await operator.create_token({})).token
        answers = await asyncio.gather(*(Node(shared).enrol(token) for _ in range(8)))
        assert sorted(status for status, _ in answers) == [200] + [403] * 7

    asyncio.run(run())


def test_a_spent_token_gives_no_new_labels_and_fills_no_log(shared: RunningHub) -> None:
    async def run() -> None:
        async with shared.client("operator") as operator:
            token = (await operator.create_token({"site": "yard"})).token
            node = Node(shared)
            assert (await node.enrol(token))[0] == 200
            before = (await operator.audit()).verified
            for _ in range(3):
                node.node_id = ""
                assert (await node.enrol(token, labels={"site": "vault", "ring": "first"}))[0] == 200
            assert (await operator.audit()).verified == before
            (row,) = [row for row in await operator.nodes() if row.node_id == node.node_id]
        assert row.labels == {"site": "yard"}

    asyncio.run(run())


async def _telemetry(node: Node, sequence: int, **members: Any) -> int:
    batch = TelemetryBatch(node_id=node.node_id, boot_id="boot", sequence=sequence, **members)
    path = f"/v1/nodes/{node.node_id}/telemetry"
    return (await node.send("POST", path, blobs.compress(msgspec.msgpack.encode(batch))))[0]


def test_events_of_the_future_do_not_hide_those_of_others(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        stolen, honest = await enrolled(hub), await enrolled(hub)
        assert await _telemetry(stolen, 0, events=(EventRecord(at_ms=2**53 - 1, kind="lie"),)) == 200
        await asyncio.sleep(0.01)
        now_ms = int(time.time() * 1000)
        assert await _telemetry(honest, 0, events=(EventRecord(at_ms=now_ms + 60_000, kind="truth"),)) == 200
        async with hub.client("viewer") as viewer:
            events = await viewer.node_events()
        assert [event.kind for event in events] == ["truth", "lie"]
        assert events[1].at_ms <= now_ms

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(EventRecord(at_ms=1, kind="k", detail="\x1b[2J"), id="terminal-codes"),
        pytest.param(EventRecord(at_ms=1, kind="k\nk"), id="kind-of-two-lines"),
        pytest.param(EventRecord(at_ms=1, kind="k", detail="x" * 3000), id="detail-too-long"),
        pytest.param(EventRecord(at_ms=2**60, kind="k"), id="time-beyond-json"),
    ],
)
def test_events_that_could_steer_a_terminal_are_refused(shared: RunningHub, event: EventRecord) -> None:
    async def run() -> int:
        return await _telemetry(await enrolled(shared), 0, events=(event,))

    assert asyncio.run(run()) == 400


def test_a_node_cannot_fill_the_disk_with_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet_hub.store.telemetry.MAX_TOTALS_PER_NODE", 3)

    def records(start: int, count: int) -> tuple[ServingRecord, ...]:
        return tuple(
            ServingRecord(
                model="digits", version=f"{n}.0.0", variant_digest=DIGEST, profile=PROFILE, start_ms=1, end_ms=2
            )
            for n in range(start, start + count)
        )

    async def run(hub: RunningHub) -> None:
        stolen, honest = await enrolled(hub), await enrolled(hub)
        assert await _telemetry(stolen, 0, serving=records(0, 3)) == 200
        assert await _telemetry(stolen, 1, serving=records(3, 1)) == 413
        assert await _telemetry(stolen, 1, serving=records(0, 3)) == 200
        assert await _telemetry(honest, 0, serving=records(3, 1)) == 200

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


def test_telemetry_text_that_is_no_utf8_is_refused(shared: RunningHub) -> None:
    async def run() -> None:
        node = await enrolled(shared)
        body = blobs.compress(b"\x81\xa7node_id\xa1\xff")
        assert (await node.send("POST", f"/v1/nodes/{node.node_id}/telemetry", body))[0] == 400

    asyncio.run(run())


def test_enrolment_texts_are_bounded(shared: RunningHub) -> None:
    async def run() -> None:
        node = Node(shared)
        good = {
            "token": "t" * 20,
            "node_name": "edge",
            "public_key": base64.b64encode(node.key.public.raw).decode(),
            "profile": PROFILE,
            "agent_version": "1",
        }
        for bad in (
            {"labels": {"site": "x" * 1000}},
            {"labels": {"site": "a\nb"}},
            {"machine": {f"k{n}": "" for n in range(100)}},
            {"node_name": "../edge"},
        ):
            status, answer = await node.send("POST", "/v1/enrol", canonical.dumps({**good, **bad}))
            assert (status, msgspec.json.decode(answer)["title"]) == (400, "FormatError")

    asyncio.run(run())
