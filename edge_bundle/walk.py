"""The walk from a release index down to verified variants. Rules only: no file, no socket (sans-IO).

Order (each step parses only what the steps before it vouch for):

1. The release index names one bundle and one envelope of each kind. It is bounded and strict, and trusted for nothing.
2. Both envelopes meet the trust policy, and their statements are about that same bundle digest.
3. The bundle index, now under signature, lists the variants; the proofs cover exactly these.
4. Image manifests, then configs and layers, each hanging on a digest in what came before.
5. What the parts of a variant say of each other agrees (``variant_rules``), and the proof is of this variant.

Every blob fed is compared with its descriptor (length, then digest) before anything else happens to it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import InitVar, dataclass
from typing import TypeAlias, TypeVar

from edge_bundle.archive import unpack
from edge_bundle.attestation import Provenance, check_subject, parse_proofs, parse_provenance
from edge_bundle.blobs import decompress
from edge_bundle.canonical import decode
from edge_bundle.contract import Contract
from edge_bundle.digest import Digest, check_digest
from edge_bundle.dsse import IN_TOTO_PAYLOAD_TYPE, VerifiedPayload, verify_envelope
from edge_bundle.errors import (
    ConflictError,
    DigestMismatchError,
    FormatError,
    NotFoundError,
    SkerryError,
    SubjectMismatchError,
    UnavailableError,
)
from edge_bundle.golden import GoldenVector, decode_goldens
from edge_bundle.keys import TrustPolicy
from edge_bundle.layout import BlobSource
from edge_bundle.limits import MAX_ARTIFACT_BYTES, MAX_ARTIFACT_FILES, MAX_CONFIG_BYTES, MAX_CONTRACT_BYTES
from edge_bundle.manifest import VariantManifest
from edge_bundle.oci import Descriptor
from edge_bundle.proof import Proof, ProofSet
from edge_bundle.release_documents import (
    BundleDocument,
    ReleaseDocument,
    VariantDocument,
    parse_bundle_index,
    parse_image_manifest,
    parse_release_index,
)
from edge_bundle.variant_rules import check_variant

T = TypeVar("T")

_TOKEN = object()
"""Only this module holds it, so only the walk makes verified objects."""

_MAX_TAR_BYTES = MAX_ARTIFACT_BYTES + (MAX_ARTIFACT_FILES + 20) * 1024
"""A tar adds a header and padding (at most 1024 bytes) to each file, and up to one 10 kiB record at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedVariant:
    """A variant whose every byte hangs on signatures that met the policy. Made by the walk alone."""

    manifest: VariantManifest
    contract: Contract
    proof: Proof
    variant_digest: Digest
    bundle_digest: Digest
    files: dict[str, bytes]
    goldens: tuple[GoldenVector, ...]
    token: InitVar[object]

    def __post_init__(self, token: object) -> None:
        _only_the_walk(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRelease:
    """A release that passed the walk. ``proofs`` covers all variants; ``variants`` those that were asked for.

    ``signed_by`` holds the ids of the trusted keys that signed the provenance.
    """

    name: str
    version: str
    bundle_digest: Digest
    provenance: Provenance
    proofs: dict[str, Proof]
    variants: dict[str, VerifiedVariant]
    signed_by: tuple[str, ...]
    token: InitVar[object]

    def __post_init__(self, token: object) -> None:
        _only_the_walk(token)


class ReleaseWalk:
    """Feed it the blobs it wants until it wants none; then ``result()`` is the verified release.

    Constructing it parses the release index. With a ``profile`` only that variant's blobs are wanted; with
    ``fall_back``, where the release has no such variant, those of the first profile that the contract names in its
    place. Each method raises ``VerificationError`` subclasses, ``FormatError`` or ``LimitExceededError`` for what is
    wrong with the release and ``NotFoundError`` for a profile it lacks; after such a refusal every method raises it
    again. Only a blob that differs from its descriptor (``DigestMismatchError`` from ``feed``) may be fetched again and
    fed anew.
    """

    def __init__(self, index: bytes, profile: str | None, policy: TrustPolicy, *, fall_back: bool = False) -> None:
        self._steps = _verify(index, profile, policy, fall_back=fall_back)
        self._pending: dict[Digest, Descriptor] = {}
        self._blobs: dict[Digest, bytes] = {}
        self._refusal: SkerryError | None = None
        self._result: VerifiedRelease | None = None
        self._start(next(self._steps))

    def wanted(self) -> tuple[Descriptor, ...]:
        """Blobs to feed now, in any order; empty when the walk is done."""
        self._raise_refusal()
        return tuple(self._pending.values())

    def feed(self, digest: Digest, data: bytes) -> None:
        """Take one wanted blob. ``ConflictError`` for a blob that was not wanted."""
        self._raise_refusal()
        descriptor = self._pending.get(digest)
        if descriptor is None:
            raise ConflictError(what="verification", expected="a blob that was asked for", got=digest)
        subject = f"blob {digest}"
        if len(data) != descriptor.size:
            raise DigestMismatchError(subject=subject, expected=f"{descriptor.size} bytes", got=f"{len(data)} bytes")
        check_digest(data, digest, subject=subject)
        del self._pending[digest]
        self._blobs[digest] = data
        if not self._pending:
            self._advance()

    def result(self) -> VerifiedRelease:
        """The verified release; ``UnavailableError`` while blobs are still wanted."""
        self._raise_refusal()
        if self._result is None:
            raise UnavailableError(what="the verified release", detail=f"{len(self._pending)} blobs are still wanted")
        return self._result

    def _advance(self) -> None:
        blobs, self._blobs = self._blobs, {}
        try:
            self._start(self._steps.send(blobs))
        except StopIteration as stop:
            self._result = stop.value
        except SkerryError as refusal:
            self._refusal = refusal
            raise

    def _start(self, descriptors: tuple[Descriptor, ...]) -> None:
        for descriptor in descriptors:
            known = self._pending.setdefault(descriptor.digest, descriptor)
            if known.size != descriptor.size:
                raise DigestMismatchError(
                    subject=f"blob {descriptor.digest}", expected=f"{known.size} bytes", got=f"{descriptor.size} bytes"
                )

    def _raise_refusal(self) -> None:
        if self._refusal is not None:
            raise self._refusal


def walk_source(index: bytes, source: BlobSource, policy: TrustPolicy, profile: str | None = None) -> VerifiedRelease:
    """Run the walk over a source of blobs; raises what ``ReleaseWalk`` and ``source.read`` raise."""
    walk = ReleaseWalk(index, profile, policy)
    while wanted := walk.wanted():
        for descriptor in wanted:
            walk.feed(descriptor.digest, source.read(descriptor.digest, max_bytes=descriptor.size))
    return walk.result()


_Blobs: TypeAlias = Mapping[Digest, bytes]
_Steps: TypeAlias = Generator[tuple[Descriptor, ...], _Blobs, T]
"""Yields the blobs that the next step needs, is sent their checked bytes."""


def _verify(index: bytes, profile: str | None, policy: TrustPolicy, *, fall_back: bool) -> _Steps[VerifiedRelease]:
    release = parse_release_index(index)  # step 1
    blobs = yield (release.provenance, release.proof)
    signed = _check_envelopes(release, blobs, policy)  # step 2
    blobs = yield (release.bundle,)
    bundle = _check_bundle(release, signed.proofs, parse_bundle_index(blobs[release.bundle.digest]))  # step 3
    terms = None
    if fall_back and profile is not None and profile not in bundle.variants:
        profile, terms = yield from _first_fallback(bundle, profile)
    chosen = _choose(bundle, profile)
    images = yield tuple(chosen.values())
    variants: dict[str, VerifiedVariant] = {}
    for name, descriptor in chosen.items():  # steps 4 and 5
        parts = parse_image_manifest(images[descriptor.digest])
        _agree(f"variant {name}: contract", terms or parts.contract.digest, parts.contract.digest)
        blobs = yield (parts.config, parts.contract, parts.artifact, parts.golden)
        variants[name] = _check_parts(release, signed.proofs[name], parts, blobs)
    return VerifiedRelease(
        name=release.name,
        version=release.version,
        bundle_digest=release.bundle.digest,
        provenance=signed.provenance,
        proofs=signed.proofs,
        variants=variants,
        signed_by=signed.signed_by,
        token=_TOKEN,
    )


@dataclass(frozen=True, slots=True)
class _Signed:
    provenance: Provenance
    proofs: dict[str, Proof]
    signed_by: tuple[str, ...]


def _check_envelopes(release: ReleaseDocument, blobs: _Blobs, policy: TrustPolicy) -> _Signed:
    made, measured = (
        _in_toto(verify_envelope(blobs[descriptor.digest], policy, subject=kind), kind)
        for kind, descriptor in (("provenance", release.provenance), ("proof", release.proof))
    )
    provenance, proofs = parse_provenance(made.payload), parse_proofs(measured.payload)
    ref = {"name": release.name, "version": release.version, "bundle_digest": release.bundle.digest}
    check_subject(provenance, **ref)
    check_subject(proofs, **ref)
    return _Signed(provenance.predicate, _by_profile(proofs.predicate), made.keyids)


def _in_toto(payload: VerifiedPayload, kind: str) -> VerifiedPayload:
    if payload.payload_type != IN_TOTO_PAYLOAD_TYPE:
        raise FormatError(what=f"{kind} envelope", expected=IN_TOTO_PAYLOAD_TYPE, got=repr(payload.payload_type[:80]))
    return payload


def _by_profile(proof_set: ProofSet) -> dict[str, Proof]:
    result = {proof.profile: proof for proof in proof_set.proofs}
    if len(result) != len(proof_set.proofs):
        raise FormatError(what="proof statement", expected="one proof per profile", got="a profile twice")
    return result


def _check_bundle(release: ReleaseDocument, proofs: Mapping[str, Proof], bundle: BundleDocument) -> BundleDocument:
    _agree("bundle", f"{release.name}:{release.version}", f"{bundle.name}:{bundle.version}")
    for profile in sorted(bundle.variants.keys() | proofs.keys()):
        variant, proof = bundle.variants.get(profile), proofs.get(profile)
        _agree(
            f"proof of variant {profile}",
            variant.digest if variant else "no such variant",
            proof.variant_digest if proof else "no proof",
        )
    return bundle


def _choose(bundle: BundleDocument, profile: str | None) -> dict[str, Descriptor]:
    if profile is None:
        return bundle.variants
    if profile not in bundle.variants:
        raise NotFoundError(
            what=f"variant of {bundle.name}:{bundle.version}",
            name=profile,
            advice=f"the bundle has: {', '.join(sorted(bundle.variants))}",
        )
    return {profile: bundle.variants[profile]}


def _first_fallback(bundle: BundleDocument, profile: str) -> _Steps[tuple[str, Digest]]:
    """The profile that takes the place of one that the bundle lacks, and the digest of the contract that says so.

    That contract is read from any variant; the chosen one must carry the same.
    """
    any_variant = bundle.variants[min(bundle.variants)]
    images = yield (any_variant,)
    parts = parse_image_manifest(images[any_variant.digest])
    blobs = yield (parts.contract,)
    contract = decode(blobs[parts.contract.digest], Contract, what="contract", max_bytes=MAX_CONTRACT_BYTES)
    chosen = next((name for name in contract.fallback.profiles if name in bundle.variants), profile)
    return chosen, parts.contract.digest


def _check_parts(release: ReleaseDocument, proof: Proof, parts: VariantDocument, blobs: _Blobs) -> VerifiedVariant:
    manifest = decode(blobs[parts.config.digest], VariantManifest, what="variant manifest", max_bytes=MAX_CONFIG_BYTES)
    contract = decode(blobs[parts.contract.digest], Contract, what="contract", max_bytes=MAX_CONTRACT_BYTES)
    where = f"variant {proof.profile}"
    _agree(f"{where}: release", f"{release.name}:{release.version}", f"{manifest.name}:{manifest.version}")
    _agree(f"{where}: profile", proof.profile, manifest.profile)
    _agree(f"{where}: precision of the proof", manifest.precision, proof.precision)
    _agree(f"{where}: numeric class of the proof", manifest.numeric_class, proof.numeric_class)
    files = unpack(decompress(blobs[parts.artifact.digest], max_bytes=_MAX_TAR_BYTES))
    goldens = decode_goldens(blobs[parts.golden.digest])
    check_variant(manifest, contract, parts.contract.digest, files, goldens)
    return VerifiedVariant(
        manifest=manifest,
        contract=contract,
        proof=proof,
        variant_digest=proof.variant_digest,
        bundle_digest=release.bundle.digest,
        files=files,
        goldens=goldens,
        token=_TOKEN,
    )


def _agree(subject: str, expected: str, got: str) -> None:
    if expected != got:
        raise SubjectMismatchError(subject=subject, expected=expected, got=got)


def _only_the_walk(token: object) -> None:
    if token is not _TOKEN:
        raise TypeError("only the walk makes verified objects: use walk_source() or ReleaseWalk")
