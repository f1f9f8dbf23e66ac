"""The publisher's side of a team role: read it, add one release, sign it. Pure; runs where the team's keys are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from tuf.api.metadata import TargetFile, Targets

from edge_bundle.errors import ConflictError, SignatureError
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.messages import ReleaseCustom, target_path
from fleet_hub.trust import metadata
from update_trust.nacl_key import NaclKey


@dataclass(frozen=True)
class ReleaseTarget:
    """What the team signs about a release: its custom object, and the bytes of its release index."""

    custom: ReleaseCustom
    index: bytes

    @property
    def path(self) -> str:
        """The TUF target path."""
        return target_path(self.custom.model, self.custom.version)


def extend_role(
    current: bytes | None, release: ReleaseTarget, *, policy: TrustPolicy, keys: Sequence[SigningKey], expires_s: float
) -> bytes:
    """The next version of the role with one more release, signed by ``keys``.

    ``current`` comes from the hub, so it is believed only under the team's own ``policy``: a hub must not get the team
    to sign a release that the team never made. ``None`` starts the role at version 1.

    Raises SignatureError: ``current`` is not the team's.
    ConflictError: the release exists already with other content (the same content again is refused as well).
    """
    targets = Targets(version=1) if current is None else _own_role(current, policy)
    if release.path in targets.targets:
        raise ConflictError(
            what=f"release {release.path}",
            expected="a version not published yet",
            got="a published one",
            advice="raise the version in the contract and compile again; a release is never changed",
        )
    targets.targets[release.path] = _target_file(release)
    targets.version = 1 if current is None else targets.version + 1
    targets.expires = metadata.utc(expires_s)
    return metadata.sign(targets, keys)


def _own_role(current: bytes, policy: TrustPolicy) -> Targets:
    parsed = metadata.parse(current, Targets, what="team role metadata")
    valid = metadata.valid_signers(parsed, [NaclKey.of(key) for key in policy.keys])
    if len(valid) < policy.threshold:
        unknown = tuple(keyid for keyid in parsed.signatures if policy.find(keyid) is None)
        raise SignatureError(
            subject="team role metadata", threshold=policy.threshold, valid=len(valid), unknown_keyids=unknown
        )
    return parsed.signed


def _target_file(release: ReleaseTarget) -> TargetFile:
    return TargetFile(
        length=len(release.index),
        hashes={"sha256": hashlib.sha256(release.index).hexdigest()},
        path=release.path,
        unrecognized_fields={"custom": msgspec.to_builtins(release.custom)},
    )
