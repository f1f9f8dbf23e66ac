"""Hostile releases, named for their attack: a forge and the refusal it must meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_bundle.archive import pack
from edge_bundle.blobs import compress
from edge_bundle.digest import Digest, sha256_digest
from edge_bundle.errors import (
    DigestMismatchError,
    FormatError,
    LimitExceededError,
    NotFoundError,
    SignatureError,
    SkerryError,
    SubjectMismatchError,
)
from edge_bundle.golden import GoldenVector, encode_goldens
from edge_bundle.limits import MAX_ARTIFACT_BLOB_BYTES, MAX_INDEX_BYTES, MAX_VARIANTS
from edge_bundle.oci import ATTESTATION, PROFILE, REF_NAME, TITLE
from tests.edge_bundle.forge import Document, EditDocument, Forge
from tests.edge_bundle.hostile_archives import HOSTILE_ARCHIVES
from tests.edge_bundle.samples import ALICE, MALLORY, floats, sample_golden

OTHER = sha256_digest(b"something else")


def put(*path: str | int, value: Any) -> EditDocument:
    """An edit that sets one place in a document."""

    def edit(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return edit


def drop(*path: str | int) -> EditDocument:
    """An edit that removes one place from a document."""

    def edit(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return edit


def repeat_last(key: str) -> EditDocument:
    def edit(document: Document) -> None:
        document[key].append(document[key][-1])

    return edit


def serving(find: Callable[[bytes], bool], change: Callable[[bytes], bytes]) -> Callable[[dict[Digest, bytes]], None]:
    """Serve changed bytes under the digest of each blob that matches."""

    def serve(blobs: dict[Digest, bytes]) -> None:
        found = [digest for digest, data in blobs.items() if find(data)]
        assert found
        for digest in found:
            blobs[digest] = change(blobs[digest])

    return serve


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def is_zstd(data: bytes) -> bool:
    return data.startswith(b"\x28\xb5\x2f\xfd")


def is_envelope(data: bytes) -> bool:
    return b'"payloadType"' in data


def golden_with(inputs: dict[str, Any], outputs: dict[str, Any]) -> Callable[[bytes], bytes]:
    return lambda _: encode_goldens((GoldenVector(inputs, outputs),))


def many_variants(document: Document) -> None:
    document["manifests"] = [
        document["manifests"][0] | {"annotations": {PROFILE: f"p{i}"}} for i in range(MAX_VARIANTS + 1)
    ]


def exchange_profiles(document: Document) -> None:
    first, second = document["manifests"]
    first["annotations"], second["annotations"] = second["annotations"], first["annotations"]


def drop_envelopes(document: Document) -> None:
    del document["manifests"][1:]


def other_subject(document: Document) -> None:
    document["subject"][0]["digest"]["sha256"] = OTHER.removeprefix("sha256:")


def bigger_subject(document: Document) -> None:
    document["subject"].append({"name": "digits:1.0.0", "digest": {"sha256": "0" * 64}})


def constant(data: bytes) -> Callable[[bytes], bytes]:
    return lambda _: data


GOOD_GOLDEN = sample_golden()

Case = tuple[Forge, type[SkerryError], str]

HOSTILE_RELEASES: dict[str, Case] = {
    # bytes that differ from their descriptor
    "flipped_byte": (Forge(serve=serving(is_zstd, flip)), DigestMismatchError, "expected sha256:"),
    "flipped_byte_in_envelope": (Forge(serve=serving(is_envelope, flip)), DigestMismatchError, "expected sha256:"),
    "truncated_blob": (Forge(serve=serving(is_zstd, lambda d: d[:-1])), DigestMismatchError, "bytes, got"),
    "padded_blob": (Forge(serve=serving(is_zstd, lambda d: d + b"\0")), DigestMismatchError, "bytes, got"),
    "empty_blob": (Forge(serve=serving(is_zstd, lambda d: b"")), DigestMismatchError, "got 0 bytes"),
    "size_lie_in_manifest": (Forge(image=put("layers", 1, "size", value=7)), DigestMismatchError, "expected 7 bytes"),
    "size_lie_about_the_same_blob": (
        Forge(release=lambda d: d["manifests"][2].update(digest=d["manifests"][1]["digest"], size=1)),
        DigestMismatchError, "bytes, got 1 bytes",
    ),
    "missing_blob": (Forge(serve=lambda blobs: blobs.clear()), NotFoundError, "no blob"),
    # signatures
    "unknown_signer": (Forge(keys=(MALLORY,)), SignatureError, "got 0 .signed by unknown keys"),
    "one_signer_of_two": (Forge(keys=(ALICE,)), SignatureError, "expected 2 valid signatures by trusted keys, got 1"),
    "threshold_by_one_key_twice": (Forge(keys=(ALICE, ALICE)), SignatureError, "got 1"),
    "one_known_and_one_unknown_signer": (Forge(keys=(ALICE, MALLORY)), SignatureError, "got 1 .signed by unknown"),
    "signature_over_another_payload": (Forge(envelope=put("payload", value="e30=")), SignatureError, "got 0"),
    "no_signatures": (Forge(envelope=put("signatures", value=[])), FormatError, "length >= 1"),
    # envelopes
    "payload_signed_for_another_purpose": (
        Forge(payload_type="application/json"), FormatError, "expected application/vnd.in-toto.json, got 'application/json'"
    ),
    "swapped_envelopes": (Forge(swap_envelopes=True), SubjectMismatchError, "attestation: expected https://slsa.dev"),
    "provenance_offered_as_proof": (
        Forge(release=lambda d: d["manifests"][2].update(
            digest=d["manifests"][1]["digest"], size=d["manifests"][1]["size"])),
        SubjectMismatchError, "expected https://skerry.dev/proof/v1",
    ),
    "provenance_of_another_bundle": (Forge(provenance=other_subject), SubjectMismatchError, "subject of https://slsa"),
    "proof_of_another_bundle": (Forge(proof=other_subject), SubjectMismatchError, "subject of https://skerry.dev/proof"),
    "statement_with_two_subjects": (Forge(proof=bigger_subject), SubjectMismatchError, "subject of"),
    "statement_of_another_name": (
        Forge(proof=put("subject", 0, "name", value="faces:1.0.0")), SubjectMismatchError, "got faces:1.0.0"
    ),
    "statement_of_another_version": (
        Forge(provenance=put("subject", 0, "name", value="digits:0.9.0")), SubjectMismatchError, "got digits:0.9.0"
    ),
    "statement_without_subject": (Forge(proof=put("subject", value=[])), FormatError, "length >= 1"),
    "statement_of_unknown_type": (Forge(proof=put("_type", value="other")), FormatError, "in-toto.io/Statement/v1"),
    "statement_with_hidden_field": (Forge(provenance=put("extra", value=1)), FormatError, "unknown field"),
    # release index
    "two_bundles": (Forge(release=lambda d: d["manifests"].append(d["manifests"][0])), FormatError, "one Skerry bundle"),
    "no_bundle": (Forge(release=drop("manifests", 0)), FormatError, "one Skerry bundle"),
    "unsigned_release": (Forge(release=drop_envelopes), FormatError, "got none"),
    "no_proof": (Forge(release=drop("manifests", 2)), FormatError, "a provenance and a proof envelope, got provenance"),
    "two_proofs": (Forge(release=repeat_last("manifests")), FormatError, "'proof' twice"),
    "unknown_attestation": (
        Forge(release=lambda d: d["manifests"].append(d["manifests"][2] | {"annotations": {ATTESTATION: "sbom"}})),
        FormatError, "proof, provenance, sbom",
    ),
    "envelope_without_annotation": (Forge(release=drop("manifests", 1, "annotations")), FormatError, "annotation"),
    "envelope_of_unknown_media_type": (
        Forge(release=put("manifests", 1, "mediaType", value="text/html")), FormatError, "got text/html"
    ),
    "release_named_by_a_path": (
        Forge(release=put("manifests", 0, "annotations", REF_NAME, value="../digits:1.0.0")), FormatError, "a name and"
    ),
    "release_without_version": (
        Forge(release=put("manifests", 0, "annotations", REF_NAME, value="digits")), FormatError, "a name and a version"
    ),
    "renamed_release": (
        Forge(release=put("manifests", 0, "annotations", REF_NAME, value="digits:9.9.9")),
        SubjectMismatchError, "expected digits:9.9.9",
    ),
    "digest_with_a_path": (
        Forge(release=put("manifests", 1, "digest", value="sha256:../../etc/passwd")), FormatError, "manifests"
    ),
    "negative_size": (Forge(release=put("manifests", 1, "size", value=-1)), FormatError, "size"),
    "envelope_too_big": (Forge(release=put("manifests", 1, "size", value=1 << 40)), LimitExceededError, "at most 4194304"),
    "hidden_field_in_release": (Forge(release=put("urls", value=["http://evil"])), FormatError, "unknown field"),
    # bundle index
    "bundle_of_another_name": (
        Forge(bundle=put("annotations", TITLE, value="faces")), SubjectMismatchError, "got faces:1.0.0"
    ),
    "bundle_not_json": (Forge(bundle_bytes=lambda _: b"\0"), FormatError, "bundle index"),
    "bundle_deep_json": (Forge(bundle_bytes=lambda _: b"[" * 5000), LimitExceededError, "levels of nesting"),
    "bundle_with_duplicate_member": (
        Forge(bundle_bytes=lambda d: d[:-1] + b',"schemaVersion":2}'), FormatError, "'schemaVersion' appears twice"
    ),
    "index_too_big": (
        Forge(bundle_bytes=lambda d: d + b" " * MAX_INDEX_BYTES), LimitExceededError, f"at most {MAX_INDEX_BYTES} bytes"
    ),
    "too_many_variants": (Forge(bundle=many_variants), FormatError, "length <= 256"),
    "bundle_without_variants": (Forge(bundle=put("manifests", value=[])), FormatError, "a Skerry bundle with variants"),
    "bundle_of_another_kind": (Forge(bundle=put("artifactType", value="x/y")), FormatError, "got x/y"),
    "variant_without_profile": (Forge(bundle=drop("manifests", 0, "annotations")), FormatError, "dev.skerry.profile"),
    "profile_twice": (
        Forge(bundle=put("manifests", 1, "annotations", PROFILE, value="cpu-fp32")), FormatError, "'cpu-fp32' twice"
    ),
    "profiles_exchanged": (Forge(bundle=exchange_profiles), SubjectMismatchError, "proof of variant cpu-fp32"),
    # proofs
    "missing_proof": (Forge(proof=drop("predicate", "proofs", 0)), SubjectMismatchError, "cpu-fp32: expected sha256:.*got no proof"),
    "proof_of_an_unknown_variant": (
        Forge(proof=lambda d: d["predicate"]["proofs"].append(d["predicate"]["proofs"][0] | {"profile": "npu"})),
        SubjectMismatchError, "proof of variant npu: expected no such variant",
    ),
    "proof_twice": (
        Forge(proof=lambda d: d["predicate"]["proofs"].append(d["predicate"]["proofs"][0])), FormatError, "a profile twice"
    ),
    "proof_of_another_variant": (
        Forge(proof=put("predicate", "proofs", 0, "variant_digest", value=OTHER)), SubjectMismatchError, f"got {OTHER}"
    ),
    "proof_of_another_precision": (
        Forge(proof=put("predicate", "proofs", 0, "precision", value="int8")), SubjectMismatchError, "precision of the proof"
    ),
    "proof_of_another_numeric_class": (
        Forge(proof=put("predicate", "proofs", 0, "numeric_class", value="portable-exact")),
        SubjectMismatchError, "numeric class of the proof",
    ),
    # image manifest
    "unknown_layer_type": (Forge(image=put("layers", 1, "mediaType", value="application/x-sh")), FormatError, "x-sh"),
    "missing_layer": (Forge(image=drop("layers", 2)), FormatError, "layers"),
    "layers_out_of_order": (Forge(image=lambda d: d["layers"].reverse()), FormatError, "layers"),
    "extra_layer": (Forge(image=repeat_last("layers")), FormatError, "layers"),
    "unknown_config_type": (Forge(image=put("config", "mediaType", value="text/plain")), FormatError, "text/plain"),
    "image_of_another_kind": (Forge(image=drop("artifactType")), FormatError, "got None"),
    "artifact_too_big": (
        Forge(image=put("layers", 1, "size", value=MAX_ARTIFACT_BLOB_BYTES + 1)), LimitExceededError, "at most"
    ),
    # config and contract
    "config_of_another_name": (Forge(config=put("name", value="faces")), SubjectMismatchError, "got faces:1.0.0"),
    "config_of_another_version": (Forge(config=put("version", value="2.0.0")), SubjectMismatchError, "got digits:2.0.0"),
    "config_of_another_profile": (Forge(config=put("profile", value="npu")), SubjectMismatchError, "profile: expected cpu-fp32"),
    "config_with_unknown_field": (Forge(config=put("command", value="sh")), FormatError, "unknown field"),
    "config_of_another_contract": (Forge(config=put("contract_digest", value=OTHER)), SubjectMismatchError, "contract: expected"),
    "config_with_other_inputs": (Forge(config=put("inputs", 0, "shape", value=[1, 64])), SubjectMismatchError, "inputs: expected"),
    "config_with_other_outputs": (Forge(config=put("outputs", 0, "name", value="y")), SubjectMismatchError, "outputs: expected"),
    "contract_of_another_version": (Forge(contract=put("version", value="2.0.0")), SubjectMismatchError, "got digits:2.0.0"),
    "contract_with_unknown_field": (Forge(contract=put("backdoor", value=1)), FormatError, "unknown field"),
    # artifact and goldens
    "entrypoint_missing": (Forge(config=put("entrypoint", value="other.onnx")), FormatError, "the entrypoint 'other.onnx'"),
    "entrypoint_outside": (Forge(config=put("entrypoint", value="/etc/passwd")), FormatError, "the entrypoint"),
    "artifact_not_zstd": (Forge(artifact=lambda _: pack({"model.onnx": b""})), FormatError, "zstd"),
    "artifact_zip_bomb": (Forge(artifact=lambda _: compress(bytes(64 << 20))), LimitExceededError, "its packed size"),
    "artifact_with_too_many_files": (
        Forge(artifact=lambda _: compress(pack({f"f{i}": b"" for i in range(300)}))), LimitExceededError, "256 files"
    ),
    "golden_zip_bomb": (Forge(golden=lambda _: compress(bytes(64 << 20))), LimitExceededError, "its packed size"),
    "golden_garbage": (Forge(golden=lambda _: compress(b"garbage")), FormatError, "golden"),
    "golden_of_another_tensor": (
        Forge(golden=golden_with({"x": floats(1, shape=(1,))}, GOOD_GOLDEN.outputs)), FormatError, r"tensors \['image'\]"
    ),
    "golden_of_another_shape": (
        Forge(golden=golden_with(GOOD_GOLDEN.inputs, {"logits": floats(1, shape=(1, 1))})), FormatError, r"got FP32 \[1, 1\]"
    ),
    **{
        f"artifact_{name}": (Forge(artifact=constant(compress(data))), SkerryError, message)
        for name, (data, message) in HOSTILE_ARCHIVES.items()
        if data
    },
}  # fmt: skip
