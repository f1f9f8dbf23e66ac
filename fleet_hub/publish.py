"""Publishing a release: what goes to the hub, in which order. The transport is a port; the keys stay here.

Order: every blob below the release index, then the index, then the team's new metadata, which makes the release exist.
Cut off anywhere before that last step, a publication leaves blobs behind and nothing else, and can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge_bundle.digest import Digest, sha256_digest
from edge_bundle.errors import FormatError, InvalidInputError
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.layout import Layout
from edge_bundle.messages import ReleaseCustom
from edge_bundle.walk import walk_source
from fleet_hub.api import ReleaseRow, TeamRules
from fleet_hub.reachability import reach
from fleet_hub.trust import team
from fleet_hub.trust.team import ReleaseTarget

TEAM_TTL_S = 365 * 86_400.0
"""How long a team's signature on its list of releases holds: it is renewed with every release."""


class PublishTransport(Protocol):
    """The hub, as a publisher sees it."""

    async def has_blob(self, digest: Digest) -> bool:
        """Whether the hub has a blob."""

    async def put_blob(self, digest: Digest, data: bytes) -> None:
        """Upload a blob."""

    async def team_rules(self, role: str) -> TeamRules:
        """Whose signatures the releases of a team role take."""

    async def team_metadata(self, role: str) -> bytes | None:
        """Current metadata of a team role; ``None`` before its first release."""

    async def admit(self, role: str, metadata: bytes) -> tuple[ReleaseRow, ...]:
        """Hand in new metadata of a team role; the releases it added."""


@dataclass(frozen=True)
class Publication:
    """What to publish, and as whom. ``policy`` says whose signatures the team itself trusts."""

    layout: Layout
    role: str
    keys: Sequence[SigningKey]
    policy: TrustPolicy
    expires_s: float


async def publish(
    transport: PublishTransport,
    publication: Publication,
    on_blob: Callable[[int, int], None] = lambda _done, _all: None,
) -> ReleaseRow:
    """Verify the bundle, upload it, and add it to the team's releases. ``on_blob`` gets blobs done and blobs in all.

    Raises what the walk raises for a bundle that does not verify, InvalidInputError for too few keys, ConflictError for
    a version that exists, FormatError for a hub that says it admitted something else, and what the transport raises.
    """
    index = publication.layout.index
    verified = walk_source(index, publication.layout, publication.policy)
    custom = ReleaseCustom(model=verified.name, version=verified.version, bundle_digest=verified.bundle_digest)
    _check_keys(publication, await transport.team_rules(publication.role))
    current = await transport.team_metadata(publication.role)
    # Signed before anything is uploaded: a version that exists already must not cost an upload.
    signed = team.extend_role(
        current,
        ReleaseTarget(custom, index),
        policy=publication.policy,
        keys=publication.keys,
        expires_s=publication.expires_s,
    )
    await _upload(transport, publication.layout, index, on_blob)
    admitted = await transport.admit(publication.role, signed)
    row = next((row for row in admitted if (row.model, row.version) == (custom.model, custom.version)), None)
    if row is None or row.bundle_digest != custom.bundle_digest:
        got = row.bundle_digest if row else "another release"
        raise FormatError(what="the hub's answer to a publication", expected=custom.bundle_digest, got=got)
    return row


def _check_keys(publication: Publication, rules: TeamRules) -> None:
    """The hub is only believed about when to give up early; it checks the signatures anyway."""
    own = {key.public.keyid for key in publication.keys}.intersection(rules.keyids)
    if len(own) < rules.threshold:
        raise InvalidInputError(
            file=f"team role {publication.role}",
            expected=f"{rules.threshold} keys of the team to sign with",
            got=str(len(own)),
            advice=f"give --key once per owner, {rules.threshold} needed",
        )


async def _upload(
    transport: PublishTransport, layout: Layout, index: bytes, on_blob: Callable[[int, int], None]
) -> None:
    blobs = reach(index, layout).blobs
    for done, blob in enumerate(blobs):
        on_blob(done, len(blobs) + 1)
        if not await transport.has_blob(blob.digest):
            await transport.put_blob(blob.digest, layout.read(blob.digest, max_bytes=blob.size))
    await transport.put_blob(sha256_digest(index), index)
    on_blob(len(blobs) + 1, len(blobs) + 1)
