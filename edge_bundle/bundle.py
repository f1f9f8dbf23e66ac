"""Writing bundles: variants in, one reproducible OCI image index out; then envelopes attached beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from edge_bundle.archive import pack
from edge_bundle.blobs import compress
from edge_bundle.canonical import decode, dumps
from edge_bundle.contract import Contract
from edge_bundle.contract_file import contract_digest
from edge_bundle.digest import Digest
from edge_bundle.errors import ConflictError, FormatError, LimitExceededError
from edge_bundle.golden import GoldenVector, encode_goldens
from edge_bundle.layout import Layout
from edge_bundle.limits import MAX_ENVELOPE_BYTES, MAX_INDEX_BYTES, MAX_VARIANTS
from edge_bundle.manifest import VariantManifest
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
    image_index,
    image_manifest,
)
from edge_bundle.variant_rules import check_variant

AttestationKind = Literal["provenance", "proof"]


@dataclass(frozen=True, slots=True)
class VariantContent:
    """One variant to be written; ``artifact`` maps file names to contents."""

    manifest: VariantManifest
    contract: Contract
    artifact: Mapping[str, bytes]
    goldens: tuple[GoldenVector, ...]


@dataclass(frozen=True, slots=True)
class BundleRefs:
    """What was written: the digest of the bundle index, and of each variant's image manifest by profile."""

    bundle_digest: Digest
    variant_digests: dict[str, Digest]


def write_bundle(layout: Layout, name: str, version: str, variants: Sequence[VariantContent]) -> BundleRefs:
    """Write all blobs of a bundle and make it the layout's release index, without attestations yet.

    Equal content gives an equal bundle digest, in whatever order the variants come. Raises ``ConflictError`` for
    variants that do not belong together, and what ``check_variant`` raises for one that the verifier would refuse.
    """
    _check_set(name, version, variants)
    ordered = sorted(variants, key=lambda variant: variant.manifest.profile)
    descriptors = tuple(_write_variant(layout, variant) for variant in ordered)
    index = image_index(descriptors, artifact_type=BUNDLE_ARTIFACT_TYPE, annotations={TITLE: name, VERSION: version})
    bundle = _with_artifact_type(
        layout.write(dumps(index), INDEX_MEDIA_TYPE, {REF_NAME: f"{name}:{version}"}), BUNDLE_ARTIFACT_TYPE
    )
    layout.write_index(dumps(image_index((bundle,))))
    digests = {v.manifest.profile: d.digest for v, d in zip(ordered, descriptors, strict=True)}
    return BundleRefs(bundle_digest=bundle.digest, variant_digests=digests)


def attach(layout: Layout, envelope: bytes, kind: AttestationKind) -> Descriptor:
    """Store a DSSE envelope and list it in the release index, in place of an earlier one of its kind."""
    if len(envelope) > MAX_ENVELOPE_BYTES:
        raise LimitExceededError(what=f"{kind} envelope", limit=MAX_ENVELOPE_BYTES, got=len(envelope), unit="bytes")
    descriptor = layout.write(envelope, ENVELOPE_MEDIA_TYPE, {ATTESTATION: kind})
    release = decode(layout.index, ImageIndex, what="release index", max_bytes=MAX_INDEX_BYTES)
    bundles = tuple(d for d in release.manifests if d.media_type == INDEX_MEDIA_TYPE)
    if not bundles:
        raise FormatError(what="release index", expected="a bundle to attach to", got="none")
    envelopes = {d.annotations.get(ATTESTATION, ""): d for d in release.manifests if d not in bundles}
    replaced = envelopes.get(kind)
    envelopes[kind] = descriptor
    layout.write_index(dumps(image_index((*bundles, *(envelopes[key] for key in sorted(envelopes))))))
    if replaced is not None and replaced.digest != descriptor.digest:
        layout.discard(replaced.digest)
    return descriptor


def release_index(layout: Layout) -> bytes:
    """The release index: the small document that a TUF target names and everything else hangs on."""
    return layout.index


def _check_set(name: str, version: str, variants: Sequence[VariantContent]) -> None:
    what = f"bundle {name}:{version}"
    if not 1 <= len(variants) <= MAX_VARIANTS:
        raise ConflictError(what=what, expected=f"1 to {MAX_VARIANTS} variants", got=str(len(variants)))
    profiles = [variant.manifest.profile for variant in variants]
    if len(set(profiles)) != len(profiles):
        raise ConflictError(what=what, expected="one variant per profile", got=", ".join(sorted(profiles)))
    for variant in variants:
        ref = f"{variant.manifest.name}:{variant.manifest.version}"
        if ref != f"{name}:{version}":
            raise ConflictError(what=what, expected="variants of the same release", got=ref)


def _write_variant(layout: Layout, variant: VariantContent) -> Descriptor:
    digest = contract_digest(variant.contract)
    check_variant(variant.manifest, variant.contract, digest, variant.artifact, variant.goldens)
    config = layout.write(dumps(variant.manifest), CONFIG_MEDIA_TYPE)
    layers = (
        layout.write(dumps(variant.contract), CONTRACT_MEDIA_TYPE),
        layout.write(compress(pack(variant.artifact)), ARTIFACT_MEDIA_TYPE),
        layout.write(encode_goldens(variant.goldens), GOLDEN_MEDIA_TYPE),
    )
    manifest = layout.write(
        dumps(image_manifest(config, layers)), MANIFEST_MEDIA_TYPE, {PROFILE: variant.manifest.profile}
    )
    return _with_artifact_type(manifest, VARIANT_ARTIFACT_TYPE)


def _with_artifact_type(descriptor: Descriptor, artifact_type: str) -> Descriptor:
    return msgspec.structs.replace(descriptor, artifact_type=artifact_type)
