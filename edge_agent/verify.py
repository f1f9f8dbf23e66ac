"""Walking a release from its index to a verified variant, wherever the blobs come from: hub or disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from edge_agent.slots import InsteadOf, Slot
from edge_bundle.digest import sha256_digest
from edge_bundle.keys import TrustPolicy
from edge_bundle.oci import Descriptor
from edge_bundle.walk import ReleaseWalk, VerifiedRelease, VerifiedVariant

BlobReader: TypeAlias = Callable[[Descriptor], Awaitable[bytes]]
"""Gives the bytes of a wanted blob; the walk checks their digest again."""


@dataclass(frozen=True)
class Candidate:
    """A verified release with the variant for this node, and every blob that proves it."""

    release: VerifiedRelease
    variant: VerifiedVariant
    index_digest: str
    blobs: tuple[str, ...]

    def slot(self, instead_of: InsteadOf | None = None) -> Slot:
        """What is remembered of it on disk, and why it is not the variant of the node's own profile."""
        return Slot(
            version=self.release.version,
            bundle_digest=self.release.bundle_digest,
            variant_digest=self.variant.variant_digest,
            profile=self.variant.manifest.profile,
            index_digest=self.index_digest,
            blobs=self.blobs,
            instead_of=instead_of,
        )


async def verify_release(
    index: bytes, *, profile: str, policy: TrustPolicy, read: BlobReader, fall_back: bool = False
) -> Candidate:
    """Feed the walk until it is done; with ``fall_back`` the contract may name another profile's variant.

    Raises what ``read`` raises, and every refusal of ``ReleaseWalk``.
    """
    index_digest = sha256_digest(index)
    walk = ReleaseWalk(index, profile, policy, fall_back=fall_back)
    blobs = [index_digest]
    while wanted := walk.wanted():
        for descriptor in wanted:
            data = await read(descriptor)
            # Decompressing an artifact takes its time; requests are served meanwhile.
            await asyncio.to_thread(walk.feed, descriptor.digest, data)
            blobs.append(descriptor.digest)
    release = walk.result()
    (variant,) = release.variants.values()
    return Candidate(release=release, variant=variant, index_digest=index_digest, blobs=tuple(dict.fromkeys(blobs)))
