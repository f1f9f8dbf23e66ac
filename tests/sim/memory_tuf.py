"""A TUF repository in memory: real metadata, really signed, consistent snapshots, with the attacks a mirror can mount."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edge_agent.ports import Clock
from edge_bundle.keys import SigningKey
from edge_bundle.messages import ReleaseCustom, target_path
from tests.sim.releases import MODEL, Release
from update_trust.nacl_key import NaclSigner, register

TEAM = "team-digits"
TIMESTAMP_LIFE_S = 86_400.0
OFFLINE_LIFE_S = 365 * 86_400.0


class MemoryTuf:
    """Signs everything itself: root and targets once, the team role at each publication, snapshot and timestamp."""

    def __init__(self, clock: Clock, *, seed: int = 40) -> None:
        register()
        self._clock = clock
        self._signers = {
            role: NaclSigner(SigningKey.from_seed(bytes([seed + n]) * 32))
            for n, role in enumerate(("root", "targets", "snapshot", "timestamp", TEAM))
        }
        self.files: dict[str, bytes] = {}
        self._team = Targets(version=1, expires=self._in(OFFLINE_LIFE_S))
        self._snapshot = Snapshot(version=1, expires=self._in(OFFLINE_LIFE_S))
        self._timestamp = Timestamp(version=1, expires=self._in(TIMESTAMP_LIFE_S))
        self.root = self._sign_root()
        self._sign_targets()
        self._sign_team()

    def publish(self, release: Release) -> None:
        """Add a release as a target of the team."""
        custom = ReleaseCustom(model=MODEL, version=release.version, bundle_digest=release.bundle_digest)
        path = target_path(MODEL, release.version)
        target = TargetFile.from_data(path, release.index, ["sha256"])
        target.unrecognized_fields["custom"] = msgspec.to_builtins(custom)
        self._team.targets[path] = target
        self._sign_team()

    def refresh(self) -> None:
        """Sign a new timestamp, as a healthy hub does all the time."""
        self._sign_timestamp()

    def rotate_root(self) -> None:
        """Sign a second root, as after a lost key."""
        root = self._root
        root.version += 1
        self._put("root", root, f"{root.version}.root.json")

    def resign_team_with(self, key: SigningKey) -> None:
        """The attack of a stolen hub: a team role signed by a key that nobody delegated to."""
        mine, self._signers[TEAM] = self._signers[TEAM], NaclSigner(key)
        self._sign_team()
        self._signers[TEAM] = mine

    def _sign_root(self) -> bytes:
        root = Root(version=1, expires=self._in(OFFLINE_LIFE_S), consistent_snapshot=True)
        for role in ("root", "targets", "snapshot", "timestamp"):
            root.add_key(self._signers[role].public_key, role)
        self._root = root
        return self._put("root", root, "1.root.json")

    def _sign_targets(self) -> None:
        team = self._signers[TEAM].public_key
        role = DelegatedRole(TEAM, [team.keyid], 1, terminating=True, paths=[f"{MODEL}/*.json"])
        delegations = Delegations({team.keyid: team}, {TEAM: role})
        targets = Targets(version=1, expires=self._in(OFFLINE_LIFE_S), delegations=delegations)
        data = self._put("targets", targets, "1.targets.json")
        self._snapshot.meta["targets.json"] = MetaFile.from_data(1, data, ["sha256"])

    def _sign_team(self) -> None:
        self._team.version += 1
        data = self._put(TEAM, self._team, f"{self._team.version}.{TEAM}.json")
        self._snapshot.meta[f"{TEAM}.json"] = MetaFile.from_data(self._team.version, data, ["sha256"])
        self._snapshot.version += 1
        data = self._put("snapshot", self._snapshot, f"{self._snapshot.version}.snapshot.json")
        self._timestamp.snapshot_meta = MetaFile.from_data(self._snapshot.version, data, ["sha256"])
        self._sign_timestamp()

    def _sign_timestamp(self) -> None:
        self._timestamp.version += 1
        self._timestamp.expires = self._in(TIMESTAMP_LIFE_S)
        self._put("timestamp", self._timestamp, "timestamp.json")

    def _put(self, role: str, signed: Root | Targets | Snapshot | Timestamp, file: str) -> bytes:
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(self._signers[role])
        data = metadata.to_bytes()
        self.files[file] = data
        return data

    def _in(self, seconds: float) -> dt.datetime:
        return dt.datetime.fromtimestamp(int(self._clock() + seconds), dt.UTC)
