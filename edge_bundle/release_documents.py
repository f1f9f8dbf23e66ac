"""The three OCI documents of a release, parsed into what they mean: release index, bundle index, image manifest.

Each parser refuses unknown media types, missing or repeated parts, and descriptors that state more bytes than the
kind of blob may have, so that nothing is fetched in vain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from edge_bundle.canonical import decode
from edge_bundle.contract import ModelName, VersionText
from edge_bundle.errors import FormatError, LimitExceededError
from edge_bundle.limits import (
    MAX_ARTIFACT_BLOB_BYTES,
    MAX_CONFIG_BYTES,
    MAX_CONTRACT_BYTES,
    MAX_ENVELOPE_BYTES,
    MAX_GOLDEN_BLOB_BYTES,
    MAX_INDEX_BYTES,
)
from edge_bundle.oci import (
    ARTIFACT_MEDIA_TYPE,
    ATTESTATION,
    BUNDLE_ARTIFACT_TYPE,
    CONFIG_MEDIA_TYPE,
    CONTRACT_MEDIA_TYPE,
    ENVELOPE_MEDIA_TYPE,
    GOLDEN_MEDIA_TYPE,
    INDEX_MEDIA_TYPE,
    MANIFEST_MEDIA_TYPE,
    PROFILE,
    REF_NAME,
    TITLE,
    VARIANT_ARTIFACT_TYPE,
    VERSION,
    Descriptor,
    ImageIndex,
    ImageManifest,
)

_MAX_BYTES = {
    INDEX_MEDIA_TYPE: MAX_INDEX_BYTES,
    MANIFEST_MEDIA_TYPE: MAX_INDEX_BYTES,
    ENVELOPE_MEDIA_TYPE: MAX_ENVELOPE_BYTES,
    CONFIG_MEDIA_TYPE: MAX_CONFIG_BYTES,
    CONTRACT_MEDIA_TYPE: MAX_CONTRACT_BYTES,
    ARTIFACT_MEDIA_TYPE: MAX_ARTIFACT_BLOB_BYTES,
    GOLDEN_MEDIA_TYPE: MAX_GOLDEN_BLOB_BYTES,
}


@dataclass(frozen=True, slots=True)
class ReleaseDocument:
    """What a release index names. Trusted for nothing until the envelopes vouch for ``bundle.digest``."""

    name: str
    version: str
    bundle: Descriptor
    provenance: Descriptor
    proof: Descriptor


@dataclass(frozen=True, slots=True)
class BundleDocument:
    """What a bundle index lists: the image manifest of each variant, by profile."""

    name: str
    version: str
    variants: dict[str, Descriptor]


@dataclass(frozen=True, slots=True)
class VariantDocument:
    """The blobs of one variant."""

    config: Descriptor
    contract: Descriptor
    artifact: Descriptor
    golden: Descriptor


class _Ref(msgspec.Struct, frozen=True, kw_only=True):
    name: ModelName
    version: VersionText


def parse_release_index(data: bytes) -> ReleaseDocument:
    """Parse a release index; ``FormatError`` or ``LimitExceededError``."""
    what = "release index"
    index = decode(data, ImageIndex, what=what, max_bytes=MAX_INDEX_BYTES)
    bundles = [d for d in index.manifests if d.media_type == INDEX_MEDIA_TYPE]
    if len(bundles) != 1 or bundles[0].artifact_type != BUNDLE_ARTIFACT_TYPE:
        raise FormatError(what=what, expected="one Skerry bundle", got=f"{len(bundles)} image indexes")
    _bounded(bundles[0], INDEX_MEDIA_TYPE, what)
    envelopes = _by_annotation((d for d in index.manifests if d is not bundles[0]), ATTESTATION, what)
    if envelopes.keys() != {"provenance", "proof"}:
        raise FormatError(
            what=what, expected="a provenance and a proof envelope", got=", ".join(sorted(envelopes)) or "none",
            advice="sign the bundle (skerry compile --key) before it is verified or published",
        )  # fmt: skip
    for envelope in envelopes.values():
        _bounded(envelope, ENVELOPE_MEDIA_TYPE, what)
    name, _, version = bundles[0].annotations.get(REF_NAME, "").partition(":")
    ref = _ref(name, version, what)
    return ReleaseDocument(ref.name, ref.version, bundles[0], envelopes["provenance"], envelopes["proof"])


def parse_bundle_index(data: bytes) -> BundleDocument:
    """Parse a bundle index; ``FormatError`` or ``LimitExceededError``."""
    what = "bundle index"
    index = decode(data, ImageIndex, what=what, max_bytes=MAX_INDEX_BYTES)
    if index.artifact_type != BUNDLE_ARTIFACT_TYPE or not index.manifests:
        raise FormatError(what=what, expected="a Skerry bundle with variants", got=str(index.artifact_type))
    ref = _ref(index.annotations.get(TITLE, ""), index.annotations.get(VERSION, ""), what)
    for descriptor in index.manifests:
        _bounded(descriptor, MANIFEST_MEDIA_TYPE, what)
    return BundleDocument(ref.name, ref.version, _by_annotation(index.manifests, PROFILE, what))


def parse_image_manifest(data: bytes) -> VariantDocument:
    """Parse the image manifest of a variant; ``FormatError`` or ``LimitExceededError``."""
    what = "image manifest"
    manifest = decode(data, ImageManifest, what=what, max_bytes=MAX_INDEX_BYTES)
    if manifest.artifact_type != VARIANT_ARTIFACT_TYPE:
        raise FormatError(what=what, expected=VARIANT_ARTIFACT_TYPE, got=str(manifest.artifact_type))
    _bounded(manifest.config, CONFIG_MEDIA_TYPE, what)
    types = [layer.media_type for layer in manifest.layers]
    expected = [CONTRACT_MEDIA_TYPE, ARTIFACT_MEDIA_TYPE, GOLDEN_MEDIA_TYPE]
    if types != expected:
        raise FormatError(what=what, expected=f"layers {expected}", got=str(types)[:300])
    for layer in manifest.layers:
        _bounded(layer, layer.media_type, what)
    contract, artifact, golden = manifest.layers
    return VariantDocument(manifest.config, contract, artifact, golden)


def _by_annotation(descriptors: Iterable[Descriptor], key: str, what: str) -> dict[str, Descriptor]:
    result: dict[str, Descriptor] = {}
    for descriptor in descriptors:
        value = descriptor.annotations.get(key)
        if not value:
            raise FormatError(what=what, expected=f"the annotation {key}", got=f"none on {descriptor.digest}")
        if value in result:
            raise FormatError(what=what, expected=f"each {key} once", got=f"{value!r} twice")
        result[value] = descriptor
    return result


def _bounded(descriptor: Descriptor, media_type: str, what: str) -> None:
    if descriptor.media_type != media_type:
        raise FormatError(what=what, expected=f"media type {media_type}", got=descriptor.media_type)
    limit = _MAX_BYTES[media_type]
    if descriptor.size > limit:
        raise LimitExceededError(what=f"{what}: {media_type}", limit=limit, got=descriptor.size, unit="bytes")


def _ref(name: str, version: str, what: str) -> _Ref:
    try:
        return msgspec.convert({"name": name, "version": version}, _Ref)
    except msgspec.ValidationError:
        raise FormatError(what=what, expected="a name and a version", got=repr(f"{name}:{version}"[:80])) from None
