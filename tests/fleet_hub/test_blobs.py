"""Blobs over real HTTP: ranges, conditions, bad and broken uploads, trouble with the disk."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import msgspec
import pytest

from edge_bundle.digest import sha256_digest
from fleet_hub.api import Problem
from fleet_hub.config import LimitsConfig
from tests.fleet_hub.over_http import fetch, with_hub
from tests.fleet_hub.running import RunningHub, enrolled, init, serve

BLOB = bytes(range(256)) * 4096


DIGEST = sha256_digest(BLOB)


SIZE = len(BLOB)


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
