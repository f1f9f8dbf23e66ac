"""The online roles: snapshot and timestamp, signed by the hub's own key. Pure: bytes in, bytes out.

What this key can do when stolen: withhold releases until nodes see the expiry. It cannot add or change one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuf.api.metadata import Snapshot, Targets, Timestamp

from edge_bundle.errors import RollbackError
from edge_bundle.keys import SigningKey
from fleet_hub.trust import metadata


@dataclass(frozen=True)
class Lifetimes:
    """How long newly signed online metadata stays valid, in seconds."""

    timestamp_s: float
    snapshot_s: float


def sign_snapshot(
    roles: Mapping[str, bytes], previous: Snapshot | None, key: SigningKey, expires_s: float
) -> tuple[bytes, int]:
    """List the current file of targets and of each team role; returns the signed snapshot and its version.

    ``roles`` maps role names to metadata files, ``targets`` among them.

    Raises RollbackError: a role would go back to an older version or vanish; every client refuses that (section 5.5.5).
    """
    snapshot = Snapshot(version=previous.version + 1 if previous else 1, expires=metadata.utc(expires_s), meta={})
    for role, data in sorted(roles.items()):
        version = metadata.parse(data, Targets, what=f"{role} metadata").signed.version
        snapshot.meta[f"{role}.json"] = metadata.meta_file(version, data)
    for name, before in previous.meta.items() if previous else ():
        now = snapshot.meta.get(name)
        if now is None or now.version < before.version:
            raise RollbackError(subject=name, at_least=str(before.version), got=str(now.version) if now else "nothing")
    return metadata.sign(snapshot, [key]), snapshot.version


def sign_timestamp(
    snapshot: bytes, snapshot_version: int, previous: Timestamp | None, key: SigningKey, expires_s: float
) -> bytes:
    """Commit to one snapshot; the version rises with each signature."""
    timestamp = Timestamp(
        version=previous.version + 1 if previous else 1,
        expires=metadata.utc(expires_s),
        snapshot_meta=metadata.meta_file(snapshot_version, snapshot),
    )
    return metadata.sign(timestamp, [key])
