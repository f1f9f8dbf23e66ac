"""OCI image spec v1.1 documents, as far as a bundle uses them, and the media types of its blobs.

Unknown fields are refused: whatever a document carries is under a signature, and nothing may hide in it.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from edge_bundle.limits import MAX_LAYERS, MAX_VARIANTS

INDEX_MEDIA_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
BUNDLE_ARTIFACT_TYPE = "application/vnd.skerry.bundle.v1+json"
VARIANT_ARTIFACT_TYPE = "application/vnd.skerry.variant.v1+json"
ENVELOPE_MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
CONFIG_MEDIA_TYPE = "application/vnd.skerry.variant.config.v1+json"
CONTRACT_MEDIA_TYPE = "application/vnd.skerry.contract.v1+json"
ARTIFACT_MEDIA_TYPE = "application/vnd.cncf.model.weight.v1.tar+zstd"
GOLDEN_MEDIA_TYPE = "application/vnd.skerry.golden.v1+zstd"

REF_NAME = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"
PROFILE = "dev.skerry.profile"
ATTESTATION = "dev.skerry.attestation"

OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
"""Content of the ``oci-layout`` file."""

SchemaVersion: TypeAlias = Literal[2]
DigestText: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")]
MediaType: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Annotations: TypeAlias = Annotated[dict[str, str], msgspec.Meta(max_length=32)]


class Descriptor(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel", omit_defaults=True
):
    """Points at a blob: its media type, digest and length in bytes."""

    media_type: MediaType
    digest: DigestText
    size: Annotated[int, msgspec.Meta(ge=0)]
    artifact_type: MediaType | None = None
    annotations: Annotations = {}


class ImageManifest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel", omit_defaults=True
):
    """One variant: a config and its layers."""

    schema_version: SchemaVersion
    media_type: Literal["application/vnd.oci.image.manifest.v1+json"]
    artifact_type: MediaType | None = None
    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], msgspec.Meta(min_length=1, max_length=MAX_LAYERS)]
    annotations: Annotations = {}


class ImageIndex(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel", omit_defaults=True
):
    """A list of manifests: the bundle index (one per variant), and the release index above it."""

    schema_version: SchemaVersion
    media_type: Literal["application/vnd.oci.image.index.v1+json"]
    artifact_type: MediaType | None = None
    manifests: Annotated[tuple[Descriptor, ...], msgspec.Meta(max_length=MAX_VARIANTS)]
    annotations: Annotations = {}


def image_manifest(config: Descriptor, layers: tuple[Descriptor, ...]) -> ImageManifest:
    """The image manifest of a variant."""
    return ImageManifest(
        schema_version=2,
        media_type="application/vnd.oci.image.manifest.v1+json",
        artifact_type=VARIANT_ARTIFACT_TYPE,
        config=config,
        layers=layers,
    )


def image_index(
    manifests: tuple[Descriptor, ...], *, artifact_type: str | None = None, annotations: dict[str, str] | None = None
) -> ImageIndex:
    """An image index over the given descriptors, in the given order."""
    return ImageIndex(
        schema_version=2,
        media_type="application/vnd.oci.image.index.v1+json",
        artifact_type=artifact_type,
        manifests=manifests,
        annotations=annotations or {},
    )
