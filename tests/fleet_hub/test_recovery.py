"""What a hub does after dying at a bad moment, and while it runs for long."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from tuf.api.metadata import Timestamp

from edge_bundle.errors import NotFoundError, UntrustedMetadataError
from edge_bundle.keys import SigningKey
from edge_bundle.messages import EnrolRequest
from edge_bundle.telemetry import ServingRecord, TelemetryBatch
from fleet_hub.config import TrustConfig, load_config
from fleet_hub.rules import roles
from fleet_hub.server import open_hub, run_hub
from fleet_hub.store import database, nodes, telemetry
from fleet_hub.trust import metadata
from tests.fleet_hub.running import TEAM, Clock, RunningHub, init, serve
from tests.fleet_hub.samples import OWNERS, make_bundle

SERVE = """
import asyncio, sys
from fleet_hub.config import load_config
from fleet_hub.server import run_hub
asyncio.run(run_hub(load_config(sys.argv[1]), on_ready=lambda url: print(url, flush=True)))
"""


async def publish(hub: RunningHub, directory: Path, version: str) -> None:
    with make_bundle(directory / version, version) as layout:
        async with hub.client("publisher") as client:
            await client.publish(layout, OWNERS, TEAM)


async def versions(hub: RunningHub) -> list[str]:
    async with hub.client("viewer") as viewer:
        return [row.version for row in await viewer.list_releases()]


def test_release_whose_database_row_was_lost_is_registered_at_start(tmp_path: Path) -> None:
    """The commit is the timestamp; a crash right after it leaves the database behind."""
    result = init(tmp_path)
    with serve(result) as hub:
        asyncio.run(publish(hub, tmp_path, "1.0.0"))
    engine = database.open_engine(hub.directory / "hub.db")
    with engine.begin() as connection:
        for table in ("variants", "releases"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    engine.dispose()
    with serve(result) as hub:
        assert asyncio.run(versions(hub)) == ["1.0.0"]


def test_metadata_that_was_written_but_not_committed_does_not_count(tmp_path: Path) -> None:
    result = init(tmp_path)
    with serve(result) as hub:
        asyncio.run(publish(hub, tmp_path, "1.0.0"))
    directory = hub.directory / "metadata"
    (directory / f"2.{TEAM}.json").write_bytes(b"half a fi")
    (directory / "3.snapshot.json").write_bytes(b"")
    (directory / ".timestamp.json.part").write_bytes(b"")
    with serve(result) as hub:
        asyncio.run(publish(hub, tmp_path, "1.1.0"))
        assert asyncio.run(versions(hub)) == ["1.0.0", "1.1.0"]


def test_killed_hub_comes_back_with_everything_it_answered(tmp_path: Path) -> None:
    result = init(tmp_path)

    def start() -> tuple[subprocess.Popen[str], RunningHub]:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(result.config_file)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return process, RunningHub(process.stdout.readline().strip(), result, Clock())

    process, hub = start()
    asyncio.run(publish(hub, tmp_path, "1.0.0"))
    process.kill()
    process.communicate()
    process, hub = start()
    assert asyncio.run(versions(hub)) == ["1.0.0"]
    asyncio.run(publish(hub, tmp_path, "1.1.0"))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_timestamp_is_signed_again_in_time(tmp_path: Path) -> None:
    result = init(tmp_path, trust=TrustConfig(timestamp_ttl_s=60.0, timestamp_refresh_s=0.02))
    path = tmp_path / "hub" / "metadata" / "timestamp.json"

    def version() -> int:
        return metadata.parse(path.read_bytes(), Timestamp, what="timestamp").signed.version

    with serve(result):
        first, deadline = version(), time.monotonic() + 20
        while version() < first + 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_refresh_goes_on_after_a_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    result = init(tmp_path, trust=TrustConfig(timestamp_ttl_s=60.0, timestamp_refresh_s=0.02))
    with serve(result) as hub:
        directory = hub.directory / "metadata"
        directory.rename(directory.with_name("away"))
        deadline = time.monotonic() + 20
        while "could not be signed" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        directory.with_name("away").rename(directory)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        pytest.param("online.key", UntrustedMetadataError, id="another-online-key"),
        pytest.param("metadata/timestamp.json", NotFoundError, id="no-timestamp"),
    ],
)
def test_broken_directory_is_no_hub(tmp_path: Path, name: str, error: type[Exception]) -> None:
    result = init(tmp_path)
    path = tmp_path / "hub" / name
    path.unlink()
    if name == "online.key":
        SigningKey.generate().save(path)
    with pytest.raises(error):
        asyncio.run(run_hub(load_config(result.config_file), stop=asyncio.Event()))


def test_old_batches_are_forgotten_and_totals_kept(tmp_path: Path) -> None:
    result = init(tmp_path)
    key = SigningKey.generate().public
    record = ServingRecord(
        model="digits", version="1.0.0", variant_digest=key.keyid, profile="p", start_ms=1, end_ms=2, requests=7
    )

    async def run() -> None:
        async with open_hub(load_config(result.config_file)) as hub:
            write, token = hub.writer.run, "t" * 16
            token_hash = roles.hash_token(token)
            await write(
                partial(nodes.add_token, token_hash=token_hash, labels={}, now_ms=1, expires_at_ms=9, actor="t")
            )
            request = EnrolRequest(token=token, node_name="n", public_key=key.to_text(), profile="p", agent_version="1")
            node_id = await write(partial(nodes.enrol, request=request, key=key, now_ms=1))
            old = TelemetryBatch(node_id=node_id, boot_id="b", sequence=0, serving=(record,))
            new = TelemetryBatch(node_id=node_id, boot_id="b", sequence=1, serving=(record,))
            assert await write(partial(telemetry.ingest, batch=old, now_ms=100))
            assert await write(partial(telemetry.ingest, batch=new, now_ms=200))
            assert await write(partial(telemetry.prune, before_ms=200)) == 1
            assert not await write(partial(telemetry.ingest, batch=new, now_ms=300))
            assert [row.requests for row in await hub.reader.run(telemetry.summary)] == [14]

    asyncio.run(run())


def test_tampered_audit_log_can_still_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    result = init(tmp_path)
    engine = database.open_engine(tmp_path / "hub" / "hub.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
    engine.dispose()

    async def read(hub: RunningHub) -> None:
        async with hub.client("viewer") as viewer:
            log = await viewer.audit()
        assert (log.verified, log.broken_at, len(log.events)) == (1, 2, 3)
        assert log.events[1].actor == "nobody"

    with serve(result) as hub:
        asyncio.run(read(hub))
        deadline = time.monotonic() + 20
        while "the chain is broken at event 2 of 3" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
