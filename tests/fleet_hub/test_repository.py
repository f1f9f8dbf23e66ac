"""The metadata directory: a crash at any step leaves what was committed, and damage is noticed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from tuf.api.metadata import Snapshot, Targets

from edge_bundle.errors import (
    DigestMismatchError,
    InvalidInputError,
    NotFoundError,
    RollbackError,
    UntrustedMetadataError,
)
from edge_bundle.keys import SigningKey
from edge_bundle.messages import ReleaseCustom
from fleet_hub.trust import ceremony, metadata, online, team
from fleet_hub.trust.ceremony import Ceremony, OfflineKeys, TeamRole
from fleet_hub.trust.online import Lifetimes
from fleet_hub.trust.registry import TrustRegistry
from fleet_hub.trust.repository import MetadataRepository
from tests.fleet_hub.running import TEAM, TEAMS
from tests.fleet_hub.samples import ALICE, BOB, OWNERS, POLICY

ONLINE = SigningKey.from_seed(b"o" * 32)
ROOT = SigningKey.from_seed(b"r" * 32)
TARGETS = SigningKey.from_seed(b"t" * 32)
NOW_S = 1_900_000_000.0
FAR_S = NOW_S + 1e6
LIFETIMES = Lifetimes(timestamp_s=3600.0, snapshot_s=86_400.0)


def plan(teams: tuple[TeamRole, ...] = TEAMS, *, root_threshold: int = 1) -> Ceremony:
    return Ceremony(
        root=OfflineKeys((ROOT,), root_threshold),
        targets=OfflineKeys((TARGETS,), 1),
        online=ONLINE.public,
        teams=teams,
        root_expires_s=FAR_S,
        targets_expires_s=FAR_S,
    )


def started(directory: Path) -> TrustRegistry:
    repository = MetadataRepository(directory)
    files = ceremony.hold(plan())
    for name, data in files.items():
        repository.write(name, data)
    registry = TrustRegistry(repository, ONLINE, LIFETIMES, lambda: NOW_S)
    registry.start(files[ceremony.TARGETS_FILE])
    return registry


def next_team_file(registry: TrustRegistry, version: str) -> bytes:
    custom = ReleaseCustom(model="digits", version=version, bundle_digest="sha256:" + "0" * 64)
    release = team.ReleaseTarget(custom, b"index of " + version.encode())
    return team.extend_role(registry.team_metadata(TEAM), release, policy=POLICY, keys=OWNERS, expires_s=FAR_S)


class PowerCut(BaseException):
    """Not an Exception, so that nothing on the way may handle it."""


@pytest.mark.parametrize("step", range(6))
def test_crash_at_any_file_operation_keeps_a_whole_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    registry = started(tmp_path)
    registry.publish(TEAM, next_team_file(registry, "1.0.0"))
    offered = next_team_file(registry, "1.1.0")
    operations = 0
    replace, fsync = Path.replace, os.fsync

    def counted() -> None:
        nonlocal operations
        operations += 1
        if operations > step:
            raise PowerCut

    def crashing_replace(self: Path, target: Path) -> Path:
        counted()
        return replace(self, target)

    def crashing_fsync(descriptor: int) -> None:
        counted()
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crashing_replace)
        patch.setattr(os, "fsync", crashing_fsync)
        with pytest.raises(PowerCut):
            registry.publish(TEAM, offered)
    again = TrustRegistry(MetadataRepository(tmp_path), ONLINE, LIFETIMES, lambda: NOW_S)
    assert {release.custom.version for release in again.releases()} == {"1.0.0"}
    again.publish(TEAM, offered)  # the same attempt, repeated
    assert {release.custom.version for release in again.releases()} == {"1.0.0", "1.1.0"}


def test_refresh_raises_the_timestamp_alone_until_the_snapshot_ages(tmp_path: Path) -> None:
    now = NOW_S
    started(tmp_path)
    repository = MetadataRepository(tmp_path)
    registry = TrustRegistry(repository, ONLINE, LIFETIMES, lambda: now)
    before = repository.committed()
    registry.refresh()
    after = repository.committed()
    assert (after.timestamp.version, after.snapshot.version) == (before.timestamp.version + 1, before.snapshot.version)
    now += LIFETIMES.snapshot_s * 0.6
    registry.refresh()
    assert repository.committed().snapshot.version == before.snapshot.version + 1
    assert registry.expiries()["timestamp"] == now + LIFETIMES.timestamp_s


@pytest.mark.parametrize("name", ["1.targets.json", "1.snapshot.json"])
def test_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    registry = started(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DigestMismatchError, match=name):
        registry.refresh()


def test_missing_file_is_named(tmp_path: Path) -> None:
    registry = started(tmp_path)
    (tmp_path / "1.targets.json").unlink()
    with pytest.raises(NotFoundError, match=r"1\.targets\.json"):
        registry.releases()


def test_key_that_the_root_does_not_name_is_refused(tmp_path: Path) -> None:
    started(tmp_path)
    with pytest.raises(UntrustedMetadataError):
        TrustRegistry(MetadataRepository(tmp_path), ALICE, LIFETIMES, time.time)


def test_empty_directory_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="root metadata"):
        TrustRegistry(MetadataRepository(tmp_path), ONLINE, LIFETIMES, time.time)


def test_snapshot_never_drops_or_lowers_a_role() -> None:
    first = metadata.sign(Targets(version=2, expires=metadata.utc(FAR_S)), OWNERS)
    older = metadata.sign(Targets(version=1, expires=metadata.utc(FAR_S)), OWNERS)
    data, _ = online.sign_snapshot({"targets": first, TEAM: first}, None, ONLINE, FAR_S)
    previous = metadata.parse(data, Snapshot, what="snapshot").signed
    for roles in ({"targets": first, TEAM: older}, {"targets": first}):
        with pytest.raises(RollbackError):
            online.sign_snapshot(roles, previous, ONLINE, FAR_S)


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        pytest.param(plan(root_threshold=2), "root.threshold", id="threshold-above-keys"),
        pytest.param(plan(root_threshold=0), "root.threshold", id="threshold-zero"),
        pytest.param(plan((TeamRole("snapshot", ("*/*.json",), (ALICE.public,), 1),)), "snapshot", id="reserved-name"),
        pytest.param(plan(TEAMS + TEAMS), TEAM, id="name-twice"),
        pytest.param(plan((TeamRole("t", ("*/*.json",), (BOB.public, BOB.public), 2),)), "t", id="key-twice"),
    ],
)
def test_ceremony_refuses_what_cannot_work(bad: Ceremony, key: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ceremony.hold(bad)
    assert caught.value.key == key


def test_ceremony_is_reproducible_and_signed_by_its_keys() -> None:
    files = ceremony.hold(plan())
    assert files == ceremony.hold(plan())
    assert [s["keyid"] for s in json.loads(files[ceremony.ROOT_FILE])["signatures"]] == [ROOT.public.keyid]
