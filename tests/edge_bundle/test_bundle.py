"""Writing bundles: reproducible, OCI-shaped, and never one that the verifier would refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from edge_bundle.bundle import VariantContent, attach, release_index, write_bundle
from edge_bundle.canonical import dumps
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import ConflictError, FormatError, LimitExceededError, SkerryError, SubjectMismatchError
from edge_bundle.layout import Layout
from edge_bundle.limits import MAX_ENVELOPE_BYTES
from edge_bundle.walk import walk_source
from tests.edge_bundle.samples import (
    POLICY,
    SAMPLE_PROFILES,
    floats,
    proofs_payload,
    provenance_payload,
    sample_golden,
    sample_release,
    sample_variant,
    sign,
    with_manifest,
)

A, B = sample_variant("cpu-a"), sample_variant("cpu-b")


def write(directory: Path, variants: Sequence[VariantContent]) -> str:
    return write_bundle(Layout.create(directory), "digits", "1.0.0", variants).bundle_digest


def test_same_content_same_digest_in_any_order(tmp_path: Path) -> None:
    assert write(tmp_path / "1", [A, B]) == write(tmp_path / "2", [B, A])


def test_any_change_changes_the_digest(tmp_path: Path) -> None:
    changed = VariantContent(A.manifest, A.contract, {"model.onnx": b"other"}, A.goldens)
    assert write(tmp_path / "1", [A]) != write(tmp_path / "2", [changed])


def test_measuring_again_changes_nothing_but_the_proof(tmp_path: Path) -> None:
    sample = sample_release(tmp_path / "bundle")
    before = {p.name for p in (tmp_path / "bundle" / "blobs" / "sha256").iterdir()}
    slower = sign(
        proofs_payload(sample.refs, lambda proof: msgspec.structs.replace(proof, measured_at="2026-02-02T00:00:00Z"))
    )
    descriptor = attach(sample.layout, slower, "proof")
    after = {p.name for p in (tmp_path / "bundle" / "blobs" / "sha256").iterdir()}
    assert after - before == {descriptor.digest.removeprefix("sha256:")}
    assert len(before - after) == 1, "the proof that was replaced is gone"
    release = walk_source(sample.index, sample.layout, POLICY)
    assert release.bundle_digest == sample.refs.bundle_digest
    assert release.proofs["cpu-fp32"].measured_at == "2026-02-02T00:00:00Z"


def test_attaching_the_same_envelope_again_keeps_it(tmp_path: Path) -> None:
    sample = sample_release(tmp_path / "bundle")
    attach(sample.layout, sign(proofs_payload(sample.refs)), "proof")
    assert walk_source(sample.index, sample.layout, POLICY).version == "1.0.0"


def test_order_of_attaching_does_not_matter(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "bundle")
    sample = sample_release(tmp_path / "other")
    refs = write_bundle(
        layout, "digits", "1.0.0", [sample_variant(p, SAMPLE_PROFILES[p]) for p in ("cpu-int8", "cpu-fp32")]
    )
    attach(layout, sign(proofs_payload(refs)), "proof")
    attach(layout, sign(provenance_payload(refs.bundle_digest)), "provenance")
    assert release_index(layout) == sample.index


def test_files_are_those_of_an_oci_layout(tmp_path: Path) -> None:
    sample = sample_release(tmp_path / "bundle")
    root = tmp_path / "bundle"
    assert json.loads((root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((root / "index.json").read_bytes())
    assert (index["schemaVersion"], index["mediaType"]) == (2, "application/vnd.oci.image.index.v1+json")
    for path in (root / "blobs" / "sha256").iterdir():
        assert sha256_digest(path.read_bytes()) == f"sha256:{path.name}"
    bundle = json.loads(sample.layout.read(sample.refs.bundle_digest, max_bytes=1 << 20))
    assert [m["annotations"]["dev.skerry.profile"] for m in bundle["manifests"]] == ["cpu-fp32", "cpu-int8"]
    image = json.loads(sample.layout.read(bundle["manifests"][0]["digest"], max_bytes=1 << 20))
    assert image["config"]["mediaType"] == "application/vnd.skerry.variant.config.v1+json"
    assert [layer["mediaType"].split(".")[-1] for layer in image["layers"]] == ["v1+json", "tar+zstd", "v1+zstd"]


def test_documents_are_canonical(tmp_path: Path) -> None:
    sample = sample_release(tmp_path / "bundle")
    for data in (sample.index, sample.layout.read(sample.refs.bundle_digest, max_bytes=1 << 20)):
        assert data == dumps(json.loads(data))


NO_GOLDENS = VariantContent(A.manifest, A.contract, A.artifact, ())
OTHER_GOLDEN = VariantContent(
    A.manifest, A.contract, A.artifact, (sample_golden(), type(sample_golden())({"image": floats(1, shape=(1,))}, {}))
)


@pytest.mark.parametrize(
    ("variants", "error", "message"),
    [
        pytest.param([], ConflictError, "1 to 256 variants, got 0", id="no_variants"),
        pytest.param([A, A], ConflictError, "one variant per profile", id="profile_twice"),
        pytest.param(
            [with_manifest(A, version="1.0.1")], ConflictError, "same release, got digits:1.0.1", id="version"
        ),
        pytest.param([with_manifest(A, name="faces")], ConflictError, "same release, got faces:1.0.0", id="name"),
        pytest.param(
            [with_manifest(A, contract_digest="sha256:" + "0" * 64)], SubjectMismatchError, "contract", id="contract"
        ),
        pytest.param([with_manifest(A, inputs=())], SubjectMismatchError, "inputs", id="inputs"),
        pytest.param([with_manifest(A, entrypoint="x.onnx")], FormatError, "the entrypoint 'x.onnx'", id="entrypoint"),
        pytest.param([NO_GOLDENS], FormatError, "at least one, got none", id="no_goldens"),
        pytest.param([OTHER_GOLDEN], FormatError, "golden vector 1: image", id="golden_of_another_shape"),
    ],
)
def test_what_the_verifier_would_refuse_is_not_written(
    tmp_path: Path, variants: Sequence[VariantContent], error: type[SkerryError], message: str
) -> None:
    with pytest.raises(error, match=message):
        write(tmp_path / "bundle", variants)


def test_envelopes_need_a_bundle_and_have_a_limit(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "empty")
    with pytest.raises(FormatError, match="a bundle to attach to"):
        attach(layout, b"{}", "proof")
    with pytest.raises(LimitExceededError):
        attach(layout, b" " * (MAX_ENVELOPE_BYTES + 1), "proof")
