"""The hub's metadata directory: consistent snapshot names, atomic writes. No rules here.

Every file but ``timestamp.json`` carries its version in its name and is written before the timestamp that leads to it,
so a process killed at any point leaves the old timestamp and everything it refers to. Replacing it is the commit.
A file that no timestamp leads to yet is simply written over by the next attempt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import MetaFile, Root, Snapshot, Targets, Timestamp

from edge_bundle.digest import sha256_digest
from edge_bundle.errors import DigestMismatchError, FormatError, NotFoundError
from fleet_hub.trust import metadata

TIMESTAMP_FILE = "timestamp.json"
_FILE_NAME = re.compile(r"(?:timestamp|[1-9][0-9]{0,8}\.[a-z0-9][a-z0-9._-]{0,62})\.json", re.ASCII)
"""TUF specification, section 6: ``VERSION.ROLE.json``, and ``timestamp.json`` alone without a version."""


@dataclass(frozen=True)
class Committed:
    """The state that ``timestamp.json`` leads to. ``roles`` maps ``targets`` and team roles to their files."""

    timestamp: Timestamp
    snapshot: Snapshot
    snapshot_file: bytes
    targets: Targets
    roles: Mapping[str, bytes]


class MetadataRepository:
    """Reads and writes one metadata directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> bytes:
        """One file, bounded.

        Raises NotFoundError: no such file, or a name that metadata never has.
        """
        if not _FILE_NAME.fullmatch(name):
            raise NotFoundError(what="metadata file", name=name[:80])
        try:
            with (self._directory / name).open("rb") as file:
                return file.read(metadata.MAX_METADATA_BYTES + 1)
        except FileNotFoundError:
            raise NotFoundError(what="metadata file", name=name) from None

    def write(self, name: str, data: bytes) -> None:
        """Replace one file atomically; it is on the disk when this returns."""
        path = self._directory / name
        temporary = path.with_name(f".{name}.part")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def commit(self, roles: Mapping[str, tuple[int, bytes]], snapshot: tuple[int, bytes], timestamp: bytes) -> None:
        """Write new role files (version and bytes by name), then the snapshot, then the timestamp: the commit."""
        for role, (version, data) in roles.items():
            self.write(f"{version}.{role}.json", data)
        self.write(f"{snapshot[0]}.snapshot.json", snapshot[1])
        self.write(TIMESTAMP_FILE, timestamp)

    def commit_timestamp(self, timestamp: bytes) -> None:
        """Replace the timestamp alone: same content, later expiry."""
        self.write(TIMESTAMP_FILE, timestamp)

    def root(self) -> Root:
        """The newest root.

        Raises NotFoundError: there is none.
        """
        versions = [int(path.name.split(".")[0]) for path in self._directory.glob("*.root.json") if path.name[0] != "."]
        if not versions:
            raise NotFoundError(what="root metadata", name=str(self._directory), advice="run the hub's init first")
        return metadata.parse(self.read(f"{max(versions)}.root.json"), Root, what="root metadata").signed

    def committed(self) -> Committed:
        """Follow timestamp, snapshot and roles, checking each file's version, length and hash on the way.

        Raises NotFoundError, FormatError, DigestMismatchError: a file is missing or damaged.
        """
        timestamp = metadata.parse(self.read(TIMESTAMP_FILE), Timestamp, what="timestamp metadata").signed
        snapshot_file = self._checked("snapshot", timestamp.snapshot_meta)
        snapshot = metadata.parse(snapshot_file, Snapshot, what="snapshot metadata").signed
        roles = {
            name.removesuffix(".json"): self._checked(name.removesuffix(".json"), meta)
            for name, meta in snapshot.meta.items()
        }
        if Targets.type not in roles:
            raise FormatError(what="snapshot metadata", expected="an entry for targets", got="none")
        targets = metadata.parse(roles[Targets.type], Targets, what="targets metadata").signed
        return Committed(timestamp, snapshot, snapshot_file, targets, roles)

    def _checked(self, role: str, meta: MetaFile) -> bytes:
        name = f"{meta.version}.{role}.json"
        data = self.read(name)
        try:
            meta.verify_length_and_hashes(data)
        except LengthOrHashMismatchError:
            expected = f"{meta.length} bytes, sha256 {(meta.hashes or {}).get('sha256', 'unset')}"
            got = f"{len(data)} bytes, {sha256_digest(data)}"
            raise DigestMismatchError(
                subject=name, expected=expected, got=got, advice="restore the hub's metadata directory from a backup"
            ) from None
        return data
