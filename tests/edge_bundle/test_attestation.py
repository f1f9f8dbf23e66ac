"""Statements: in-toto and SLSA shaped, reproducible, and tied to one bundle."""

from __future__ import annotations

import json

import pytest

from edge_bundle.attestation import (
    Materials,
    build_proofs,
    build_provenance,
    check_subject,
    parse_proofs,
    parse_provenance,
)
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import FormatError, SubjectMismatchError
from tests.edge_bundle.samples import sample_proof

BUNDLE = sha256_digest(b"bundle")
MATERIALS = Materials(
    model=sha256_digest(b"model"),
    contract=sha256_digest(b"contract"),
    calibration=sha256_digest(b"calibration"),
    evaluation=sha256_digest(b"evaluation"),
    git_commit="a" * 40,
    toolchain={"onnx": "1.20.0", "onnxruntime": "1.23.0"},
    parameters={"seed": "7", "profiles": "cpu-fp32 cpu-int8"},
)


def provenance(materials: Materials = MATERIALS) -> bytes:
    return build_provenance(name="digits", version="1.0.0", bundle_digest=BUNDLE, materials=materials)


def test_provenance_has_the_shape_of_slsa_v1() -> None:
    document = json.loads(provenance())
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["subject"] == [{"name": "digits:1.0.0", "digest": {"sha256": BUNDLE.removeprefix("sha256:")}}]
    assert document["predicateType"] == "https://slsa.dev/provenance/v1"
    build = document["predicate"]["buildDefinition"]
    assert build["externalParameters"] == {"profiles": "cpu-fp32 cpu-int8", "seed": "7"}
    assert [r["name"] for r in build["resolvedDependencies"]] == [
        "calibration",
        "contract",
        "evaluation",
        "model",
        "source",
    ]
    assert document["predicate"]["runDetails"]["builder"]["version"] == MATERIALS.toolchain


def test_provenance_round_trip_and_reproducible() -> None:
    assert provenance() == provenance()
    statement = parse_provenance(provenance())
    check_subject(statement, name="digits", version="1.0.0", bundle_digest=BUNDLE)
    assert statement.predicate.digests == {
        "calibration": MATERIALS.calibration,
        "contract": MATERIALS.contract,
        "evaluation": MATERIALS.evaluation,
        "model": MATERIALS.model,
        "source": "a" * 40,
    }


def test_what_was_not_used_is_not_named() -> None:
    bare = Materials(model=MATERIALS.model, contract=MATERIALS.contract, evaluation=MATERIALS.evaluation)
    assert parse_provenance(provenance(bare)).predicate.digests.keys() == {"contract", "evaluation", "model"}


def test_proofs_round_trip_sorted_by_profile() -> None:
    proofs = [sample_proof(name, sha256_digest(name.encode())) for name in ("b", "a")]
    data = build_proofs(name="digits", version="1.0.0", bundle_digest=BUNDLE, proofs=proofs)
    assert parse_proofs(data).predicate.proofs == tuple(reversed(proofs))


@pytest.mark.parametrize(
    ("name", "version", "digest"),
    [
        pytest.param("faces", "1.0.0", BUNDLE, id="name"),
        pytest.param("digits", "1.0.1", BUNDLE, id="version"),
        pytest.param("digits", "1.0.0", sha256_digest(b"other"), id="digest"),
    ],
)
def test_statement_about_something_else(name: str, version: str, digest: str) -> None:
    with pytest.raises(SubjectMismatchError, match=r"got digits:1\.0\.0"):
        check_subject(parse_provenance(provenance()), name=name, version=version, bundle_digest=digest)


def test_one_predicate_is_not_taken_for_the_other() -> None:
    with pytest.raises(SubjectMismatchError, match=r"expected https://skerry\.dev/proof/v1"):
        parse_proofs(provenance())


def test_malformed_digests_do_not_get_in() -> None:
    with pytest.raises(FormatError, match="64 lower-case hex"):
        provenance(Materials(model="md5:0", contract=BUNDLE, evaluation=BUNDLE))
