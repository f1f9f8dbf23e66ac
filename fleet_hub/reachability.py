"""Every blob that hangs on a release index. Descends by digest; the documents' own rules are ``edge_bundle``'s."""

from __future__ import annotations

from dataclasses import dataclass

from edge_bundle.layout import BlobSource
from edge_bundle.oci import Descriptor
from edge_bundle.release_documents import (
    ReleaseDocument,
    VariantDocument,
    parse_bundle_index,
    parse_image_manifest,
    parse_release_index,
)


@dataclass(frozen=True)
class ReachableVariant:
    """The image manifest of one variant and what it names."""

    manifest: Descriptor
    parts: VariantDocument

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Its blobs, the manifest last."""
        parts = self.parts
        return (parts.config, parts.contract, parts.artifact, parts.golden, self.manifest)


@dataclass(frozen=True)
class ReachableRelease:
    """What a release index leads to; ``variants`` by profile."""

    document: ReleaseDocument
    variants: dict[str, ReachableVariant]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Every blob below the release index, leaves first, each once."""
        document = self.document
        below = [blob for variant in self.variants.values() for blob in variant.blobs]
        every = [*below, document.bundle, document.provenance, document.proof]
        return tuple({descriptor.digest: descriptor for descriptor in every}.values())


def reach(index: bytes, source: BlobSource) -> ReachableRelease:
    """Read the documents of a release (not its large blobs) from ``source``.

    Raises FormatError, LimitExceededError, and what ``source.read`` raises (NotFoundError for a missing document).
    """
    document = parse_release_index(index)
    bundle = parse_bundle_index(source.read(document.bundle.digest, max_bytes=document.bundle.size))
    variants = {
        profile: ReachableVariant(manifest, parse_image_manifest(source.read(manifest.digest, max_bytes=manifest.size)))
        for profile, manifest in bundle.variants.items()
    }
    return ReachableRelease(document, variants)
