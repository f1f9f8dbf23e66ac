"""in-toto Statements (v1) about a bundle: SLSA provenance (who made it from what) and proofs (how good it is).

The provenance holds nothing measured and no time, so the same compile gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Generic, TypeVar

import msgspec

from edge_bundle.canonical import decode, dumps
from edge_bundle.digest import Digest, hex_of
from edge_bundle.errors import FormatError, SubjectMismatchError
from edge_bundle.proof import PROOF_PREDICATE_TYPE, PROVENANCE_PREDICATE_TYPE, STATEMENT_TYPE, Proof, ProofSet

BUILD_TYPE = "https://skerry.dev/compile/v1"
BUILDER_ID = "https://skerry.dev/compiler/v1"

P = TypeVar("P")


class Resource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """in-toto ResourceDescriptor v1: a named thing with digests by algorithm (``sha256``, ``gitCommit``)."""

    name: str
    digest: dict[str, str]


class BuildDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """SLSA v1 ``buildDefinition``: ``external_parameters`` are the caller's choices (profiles, seed)."""

    build_type: str
    external_parameters: dict[str, str]
    internal_parameters: dict[str, str]
    resolved_dependencies: tuple[Resource, ...]


class Builder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """SLSA v1 ``builder``: what ran the build, with the versions of its toolchain."""

    id: str
    version: dict[str, str]


class RunDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """SLSA v1 ``runDetails``."""

    builder: Builder


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """SLSA v1 provenance predicate (slsa.dev/spec/v1.0/provenance)."""

    build_definition: BuildDefinition
    run_details: RunDetails

    @property
    def digests(self) -> dict[str, str]:
        """``sha256:`` digest (or git commit) of each thing that the build read, by name."""
        return {r.name: _digest_text(r.digest) for r in self.build_definition.resolved_dependencies}


class Statement(msgspec.Struct, Generic[P], frozen=True, forbid_unknown_fields=True, kw_only=True):
    """in-toto Statement v1 with a parsed predicate."""

    type_: str = msgspec.field(name="_type")
    subject: Annotated[tuple[Resource, ...], msgspec.Meta(min_length=1, max_length=16)]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: P


@dataclass(frozen=True, kw_only=True, slots=True)
class Materials:
    """Digests of everything that went into a compile; ``parameters`` are its options as text (seed, profiles).

    ``metric`` is the file of a user's own metric.
    """

    model: Digest
    contract: Digest
    evaluation: Digest
    calibration: Digest | None = None
    metric: Digest | None = None
    git_commit: str | None = None
    toolchain: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


def build_provenance(*, name: str, version: str, bundle_digest: Digest, materials: Materials) -> bytes:
    """The provenance statement of a bundle, canonical JSON, to be signed as ``IN_TOTO_PAYLOAD_TYPE``."""
    named = {
        "calibration": materials.calibration,
        "contract": materials.contract,
        "evaluation": materials.evaluation,
        "metric": materials.metric,
        "model": materials.model,
    }
    resources = [Resource(name=key, digest={"sha256": hex_of(value)}) for key, value in named.items() if value]
    if materials.git_commit:
        resources.append(Resource(name="source", digest={"gitCommit": materials.git_commit}))
    predicate = Provenance(
        build_definition=BuildDefinition(
            build_type=BUILD_TYPE,
            external_parameters=dict(materials.parameters),
            internal_parameters={},
            resolved_dependencies=tuple(resources),
        ),
        run_details=RunDetails(builder=Builder(id=BUILDER_ID, version=dict(materials.toolchain))),
    )
    return _statement(name, version, bundle_digest, PROVENANCE_PREDICATE_TYPE, predicate)


def build_proofs(*, name: str, version: str, bundle_digest: Digest, proofs: Sequence[Proof]) -> bytes:
    """The proof statement of a bundle: one proof per variant, sorted by profile."""
    predicate = ProofSet(proofs=tuple(sorted(proofs, key=lambda proof: proof.profile)))
    return _statement(name, version, bundle_digest, PROOF_PREDICATE_TYPE, predicate)


def parse_provenance(payload: bytes) -> Statement[Provenance]:
    """Parse a verified provenance payload; ``FormatError`` or ``SubjectMismatchError`` for another predicate."""
    _check_predicate_type(payload, PROVENANCE_PREDICATE_TYPE)
    return decode(payload, Statement[Provenance], what="provenance statement")


def parse_proofs(payload: bytes) -> Statement[ProofSet]:
    """Parse a verified proof payload; ``FormatError`` or ``SubjectMismatchError`` for another predicate."""
    _check_predicate_type(payload, PROOF_PREDICATE_TYPE)
    return decode(payload, Statement[ProofSet], what="proof statement")


def check_subject(statement: Statement[P], *, name: str, version: str, bundle_digest: Digest) -> None:
    """Raise ``SubjectMismatchError`` unless the statement is about exactly this bundle of this release."""
    expected = _subject(name, version, bundle_digest)
    if statement.subject != (expected,):
        got = ", ".join(f"{r.name} {_digest_text(r.digest)}" for r in statement.subject)
        raise SubjectMismatchError(
            subject=f"subject of {statement.predicate_type}", expected=f"{expected.name} {bundle_digest}", got=got
        )


def _statement(name: str, version: str, bundle_digest: Digest, kind: str, predicate: Provenance | ProofSet) -> bytes:
    subject = (_subject(name, version, bundle_digest),)
    return dumps(Statement(type_=STATEMENT_TYPE, subject=subject, predicate_type=kind, predicate=predicate))


def _subject(name: str, version: str, bundle_digest: Digest) -> Resource:
    return Resource(name=f"{name}:{version}", digest={"sha256": hex_of(bundle_digest)})


def _check_predicate_type(payload: bytes, expected: str) -> None:
    # The type is looked at first, so that a swapped envelope is called what it is, not a parse error.
    head = decode(payload, Statement[msgspec.Raw], what="in-toto statement")
    if head.type_ != STATEMENT_TYPE:
        raise FormatError(what="in-toto statement", expected=STATEMENT_TYPE, got=repr(head.type_[:80]))
    if head.predicate_type != expected:
        raise SubjectMismatchError(subject="attestation", expected=expected, got=head.predicate_type[:80])


def _digest_text(digest: Mapping[str, str]) -> str:
    return f"sha256:{digest['sha256']}" if "sha256" in digest else " ".join(digest.values())
