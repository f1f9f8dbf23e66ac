"""The variants of a bundle that are measured: verified, or taken as the bundle claims them to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compiler.inspect import VariantDescription, describe_bundle
from edge_bundle.archive import unpack
from edge_bundle.blobs import decompress
from edge_bundle.contract import Contract
from edge_bundle.errors import NotFoundError
from edge_bundle.golden import GoldenVector, decode_goldens
from edge_bundle.keys import TrustPolicy
from edge_bundle.layout import Layout
from edge_bundle.limits import MAX_ARTIFACT_BLOB_BYTES, MAX_ARTIFACT_BYTES, MAX_INDEX_BYTES
from edge_bundle.manifest import VariantManifest
from edge_bundle.proof import Proof
from edge_bundle.release_documents import parse_image_manifest
from edge_bundle.walk import walk_source


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One variant. ``verified``: its every byte hangs on signatures of trusted owners."""

    manifest: VariantManifest
    contract: Contract
    proof: Proof | None
    variant_digest: str
    files: Mapping[str, bytes] = field(repr=False)
    goldens: tuple[GoldenVector, ...] = field(repr=False)
    verified: bool


def verified_subjects(path: Path, policy: TrustPolicy, profile: str | None) -> tuple[Subject, ...]:
    """The variants (or that of ``profile``) of a bundle whose signatures hold, sorted by profile.

    Raises:
        VerificationError: a signature or a digest does not hold.
        NotFoundError, FormatError, LimitExceededError: not a whole bundle, or no such variant.

    """
    with Layout.open(path) as layout:
        release = walk_source(layout.index, layout, policy, profile)
    return tuple(
        Subject(
            manifest=variant.manifest,
            contract=variant.contract,
            proof=variant.proof,
            variant_digest=variant.variant_digest,
            files=variant.files,
            goldens=variant.goldens,
            verified=True,
        )
        for _, variant in sorted(release.variants.items())
    )


def claimed_subjects(path: Path, profile: str | None) -> tuple[Subject, ...]:
    """The same without a look at signatures; blobs are held against their digests all the same.

    Raises:
        NotFoundError, FormatError, LimitExceededError, DigestMismatchError: not a whole bundle, or no such variant.

    """
    bundle = describe_bundle(path)
    found = {variant.manifest.profile: variant for variant in bundle.variants}
    if profile is not None and profile not in found:
        what = f"variant of {bundle.name}:{bundle.version}"
        raise NotFoundError(what=what, name=profile, advice=f"the bundle has: {', '.join(sorted(found))}")
    with Layout.open(path) as layout:
        return tuple(
            _claimed(layout, variant, bundle.contract)
            for name, variant in sorted(found.items())
            if profile in (None, name)
        )


def _claimed(layout: Layout, variant: VariantDescription, contract: Contract) -> Subject:
    parts = parse_image_manifest(layout.read(variant.variant_digest, max_bytes=MAX_INDEX_BYTES))
    artifact = layout.read(parts.artifact.digest, max_bytes=MAX_ARTIFACT_BLOB_BYTES)
    return Subject(
        manifest=variant.manifest,
        contract=contract,
        proof=variant.proof,
        variant_digest=variant.variant_digest,
        files=unpack(decompress(artifact, max_bytes=MAX_ARTIFACT_BYTES)),
        goldens=decode_goldens(layout.read(parts.golden.digest, max_bytes=MAX_ARTIFACT_BLOB_BYTES)),
        verified=False,
    )
