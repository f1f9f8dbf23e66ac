"""What a node's TUF client (``tuf.ngclient``) makes of the hub's metadata, over real sockets."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater

from edge_bundle.keys import SigningKey
from fleet_hub.config import TrustConfig
from fleet_hub.trust import metadata
from tests.fleet_hub.running import TEAM, Clock, RunningHub, init, serve
from tests.fleet_hub.samples import ALICE, MALLORY, OWNERS, make_bundle
from update_trust import nacl_key

PATH = "digits/1.0.0.json"
DAY_S = 86_400.0


def updater(hub: RunningHub, directory: Path) -> Updater:
    nacl_key.register()
    directory.mkdir(exist_ok=True)
    root = hub.result.root_file.read_bytes()
    return Updater(str(directory), f"{hub.url}/tuf/metadata/", bootstrap=root)


def look(hub: RunningHub, directory: Path, path: str = PATH) -> TargetFile | None:
    return updater(hub, directory).get_targetinfo(path)


def publish(hub: RunningHub, directory: Path, version: str = "1.0.0") -> None:
    async def run() -> None:
        with make_bundle(directory / f"bundle-{version}", version) as layout:
            async with hub.client("publisher") as client:
                await client.publish(layout, OWNERS, TEAM)

    asyncio.run(run())


def test_finds_a_release_and_its_custom_object(tmp_path: Path) -> None:
    with serve(init(tmp_path)) as hub:
        with pytest.raises(RepositoryError, match="not part of snapshot"):
            look(hub, tmp_path / "node")  # the team has published nothing yet
        publish(hub, tmp_path)
        target = look(hub, tmp_path / "node")
        assert target is not None
        assert target.custom["version"] == "1.0.0"
        publish(hub, tmp_path, "1.1.0")
        assert look(hub, tmp_path / "node", "digits/1.1.0.json") is not None
        assert look(hub, tmp_path / "fresh node") == target


def test_restarts_and_refreshes_only_raise_versions(tmp_path: Path) -> None:
    result = init(tmp_path)
    with serve(result) as hub:
        publish(hub, tmp_path)
        look(hub, tmp_path / "node")
    with serve(result) as hub:
        assert look(hub, tmp_path / "node") is not None


@pytest.mark.parametrize("keep", [pytest.param("timestamp.json", id="timestamp")])
def test_replay_of_older_metadata_is_a_rollback(tmp_path: Path, keep: str) -> None:
    result = init(tmp_path)
    with serve(result) as hub:
        publish(hub, tmp_path)
        old = (hub.directory / "metadata" / keep).read_bytes()
        publish(hub, tmp_path, "1.1.0")
        look(hub, tmp_path / "node")
        (hub.directory / "metadata" / keep).write_bytes(old)
        with pytest.raises(BadVersionNumberError):
            look(hub, tmp_path / "node")


def test_older_team_role_under_a_new_snapshot_is_a_rollback(tmp_path: Path) -> None:
    """The thief of the online key signs a fresh snapshot over the team's older metadata."""
    with serve(init(tmp_path)) as hub:
        publish(hub, tmp_path)
        publish(hub, tmp_path, "1.1.0")
        look(hub, tmp_path / "node", "digits/1.1.0.json")
        _sign_online(hub, lambda snapshot: _list_team(hub, snapshot, version=1))
        with pytest.raises(BadVersionNumberError):
            look(hub, tmp_path / "node", "digits/1.1.0.json")


def test_frozen_hub_is_noticed_by_expiry(tmp_path: Path) -> None:
    yesterday = Clock(-2 * DAY_S)
    trust = TrustConfig(timestamp_ttl_s=DAY_S, timestamp_refresh_s=3600.0)
    result = init(tmp_path, clock=yesterday, trust=trust)
    with serve(result, yesterday) as hub:
        publish(hub, tmp_path)
        with pytest.raises(ExpiredMetadataError):
            look(hub, tmp_path / "node")
    with serve(result) as hub:
        assert look(hub, tmp_path / "node") is not None  # a hub that signs again heals its nodes


def test_mix_of_files_from_different_moments_is_refused(tmp_path: Path) -> None:
    with serve(init(tmp_path)) as hub:
        publish(hub, tmp_path)
        publish(hub, tmp_path, "1.1.0")
        directory = hub.directory / "metadata"
        shutil.copy(directory / f"1.{TEAM}.json", directory / f"2.{TEAM}.json")
        with pytest.raises(LengthOrHashMismatchError):
            look(hub, tmp_path / "node")


@pytest.mark.parametrize(
    "signers",
    [
        pytest.param((MALLORY,), id="unknown-signer"),
        pytest.param((ALICE,), id="threshold-not-met"),
        pytest.param((ALICE, MALLORY), id="one-known-one-unknown"),
        pytest.param((), id="unsigned"),
    ],
)
def test_team_role_without_its_threshold_is_refused(tmp_path: Path, signers: tuple[SigningKey, ...]) -> None:
    """A stolen hub: all of its online metadata is right, but it made the team's file itself."""
    with serve(init(tmp_path)) as hub:
        publish(hub, tmp_path)
        directory = hub.directory / "metadata"
        genuine = metadata.parse((directory / f"1.{TEAM}.json").read_bytes(), Targets, what="team")
        genuine.signed.version = 2
        genuine.signed.targets["digits/6.6.6.json"] = genuine.signed.targets[PATH]
        forged = metadata.sign(genuine.signed, signers)
        (directory / f"2.{TEAM}.json").write_bytes(forged)
        _sign_online(hub, lambda snapshot: _list_team(hub, snapshot, version=2))
        with pytest.raises(UnsignedMetadataError):
            look(hub, tmp_path / "node", "digits/6.6.6.json")


def test_timestamp_by_another_key_is_refused(tmp_path: Path) -> None:
    with serve(init(tmp_path)) as hub:
        path = hub.directory / "metadata" / "timestamp.json"
        timestamp = metadata.parse(path.read_bytes(), Timestamp, what="timestamp").signed
        timestamp.version += 1
        path.write_bytes(metadata.sign(timestamp, [MALLORY]))
        with pytest.raises(UnsignedMetadataError):
            look(hub, tmp_path / "node")


def test_fast_forwarded_timestamp_stays_behind_the_pinned_root(tmp_path: Path) -> None:
    """Recovery from a fast-forward takes a new root (TUF 5.3.11); until then nodes refuse, they do not go back."""
    with serve(init(tmp_path)) as hub:
        publish(hub, tmp_path)
        directory = hub.directory / "metadata"
        before = (directory / "timestamp.json").read_bytes()
        timestamp = metadata.parse(before, Timestamp, what="timestamp").signed
        timestamp.version = 2**31
        (directory / "timestamp.json").write_bytes(metadata.sign(timestamp, [_online_key(hub)]))
        look(hub, tmp_path / "node")
        (directory / "timestamp.json").write_bytes(before)
        with pytest.raises(BadVersionNumberError):
            look(hub, tmp_path / "node")


@pytest.mark.parametrize(
    "name", ["../hub.toml", "..%2fonline.key", "online.key", ".timestamp.json.part", "9.team.json"]
)
def test_only_metadata_files_are_served(tmp_path: Path, name: str) -> None:
    with serve(init(tmp_path)) as hub:
        nacl_key.register()
        with pytest.raises((DownloadError, RepositoryError)):
            updater(hub, tmp_path / "node")._download_metadata(name.removesuffix(".json"), 10_000)


def _online_key(hub: RunningHub) -> SigningKey:
    return SigningKey.load(hub.directory / "online.key")


def _sign_online(hub: RunningHub, edit: Callable[[Snapshot], None]) -> None:
    directory = hub.directory / "metadata"
    timestamp = metadata.parse((directory / "timestamp.json").read_bytes(), Timestamp, what="timestamp").signed
    name = f"{timestamp.snapshot_meta.version}.snapshot.json"
    snapshot = metadata.parse((directory / name).read_bytes(), Snapshot, what="snapshot").signed
    snapshot.version += 1
    edit(snapshot)
    data = metadata.sign(snapshot, [_online_key(hub)])
    (directory / f"{snapshot.version}.snapshot.json").write_bytes(data)
    timestamp.version += 1
    timestamp.snapshot_meta = metadata.meta_file(snapshot.version, data)
    (directory / "timestamp.json").write_bytes(metadata.sign(timestamp, [_online_key(hub)]))


def _list_team(hub: RunningHub, snapshot: Snapshot, *, version: int) -> None:
    data = (hub.directory / "metadata" / f"{version}.{TEAM}.json").read_bytes()
    snapshot.meta[f"{TEAM}.json"] = metadata.meta_file(version, data)
