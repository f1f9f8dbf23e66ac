"""A forge of releases: every document may be edited on its way in, and all that hangs above it is made to fit again.

So each hostile release differs from a good one in exactly the thing its name says; digests and signatures are right
unless they are the attack.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edge_bundle.archive import pack
from edge_bundle.blobs import compress
from edge_bundle.bundle import BundleRefs
from edge_bundle.canonical import dumps
from edge_bundle.digest import Digest, sha256_digest
from edge_bundle.dsse import IN_TOTO_PAYLOAD_TYPE
from edge_bundle.errors import NotFoundError
from edge_bundle.golden import encode_goldens
from edge_bundle.keys import SigningKey
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
)
from tests.edge_bundle.samples import (
    ALICE,
    BOB,
    SAMPLE_PROFILES,
    proofs_payload,
    provenance_payload,
    sample_variant,
    sign,
)

Document = dict[str, Any]
EditDocument = Callable[[Document], None]
EditBytes = Callable[[bytes], bytes]


def unchanged(_: Document) -> None:
    """Edit nothing."""


def same(data: bytes) -> bytes:
    """Edit nothing."""
    return data


@dataclass(kw_only=True)
class Forge:
    """What to change; variants other than ``cpu-fp32`` stay good."""

    config: EditDocument = unchanged
    contract: EditDocument = unchanged
    artifact: EditBytes = same
    golden: EditBytes = same
    image: EditDocument = unchanged
    bundle: EditDocument = unchanged
    bundle_bytes: EditBytes = same
    provenance: EditDocument = unchanged
    proof: EditDocument = unchanged
    envelope: EditDocument = unchanged
    release: EditDocument = unchanged
    serve: Callable[[dict[Digest, bytes]], None] = lambda blobs: None
    keys: Sequence[SigningKey] = (ALICE, BOB)
    payload_type: str = IN_TOTO_PAYLOAD_TYPE
    swap_envelopes: bool = False
    blobs: dict[Digest, bytes] = field(default_factory=dict)

    def make(self) -> bytes:
        """Build the blobs; the release index comes back."""
        images = {name: self._variant(name) for name in SAMPLE_PROFILES}
        bundle = self.put_document(
            {
                "schemaVersion": 2,
                "mediaType": INDEX_MEDIA_TYPE,
                "artifactType": BUNDLE_ARTIFACT_TYPE,
                "manifests": [
                    d | {"artifactType": VARIANT_ARTIFACT_TYPE, "annotations": {PROFILE: name}}
                    for name, d in images.items()
                ],
                "annotations": {TITLE: "digits", VERSION: "1.0.0"},
            },
            INDEX_MEDIA_TYPE,
            self.bundle,
            self.bundle_bytes,
        )
        refs = BundleRefs(bundle["digest"], {name: d["digest"] for name, d in images.items()})
        kinds = ("proof", "provenance") if self.swap_envelopes else ("provenance", "proof")
        payloads = {
            kinds[0]: edited(provenance_payload(refs.bundle_digest), self.provenance),
            kinds[1]: edited(proofs_payload(refs), self.proof),
        }
        bundle |= {"artifactType": BUNDLE_ARTIFACT_TYPE, "annotations": {REF_NAME: "digits:1.0.0"}}
        envelopes = [
            self.put(edited(sign(payload, self.keys, self.payload_type), self.envelope), ENVELOPE_MEDIA_TYPE)
            | {"annotations": {ATTESTATION: kind}}
            for kind, payload in payloads.items()
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": [bundle, *envelopes]}
        self.release(index)
        self.serve(self.blobs)
        return json.dumps(index).encode()

    def read(self, digest: Digest, *, max_bytes: int) -> bytes:
        """A source that checks nothing: the walk must."""
        if digest not in self.blobs:
            raise NotFoundError(what="blob", name=digest)
        return self.blobs[digest]

    def put(self, data: bytes, media_type: str) -> Document:
        digest = sha256_digest(data)
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def put_document(self, document: Document, kind: str, edit: EditDocument, edit_bytes: EditBytes = same) -> Document:
        edit(document)
        return self.put(edit_bytes(json.dumps(document).encode()), kind)

    def _variant(self, profile: str) -> Document:
        hostile = profile == "cpu-fp32"
        content = sample_variant(profile, SAMPLE_PROFILES[profile])
        contract: Document = msgspec.json.decode(dumps(content.contract))
        contract_blob = self.put_document(contract, CONTRACT_MEDIA_TYPE, self.contract if hostile else unchanged)
        config: Document = msgspec.json.decode(dumps(content.manifest))
        config["contract_digest"] = contract_blob["digest"]
        artifact = compress(pack(content.artifact))
        golden = encode_goldens(content.goldens)
        image = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_MEDIA_TYPE,
            "artifactType": VARIANT_ARTIFACT_TYPE,
            "config": self.put_document(config, CONFIG_MEDIA_TYPE, self.config if hostile else unchanged),
            "layers": [
                contract_blob,
                self.put(self.artifact(artifact) if hostile else artifact, ARTIFACT_MEDIA_TYPE),
                self.put(self.golden(golden) if hostile else golden, GOLDEN_MEDIA_TYPE),
            ],
        }
        return self.put_document(image, MANIFEST_MEDIA_TYPE, self.image if hostile else unchanged)


def edited(data: bytes, edit: EditDocument) -> bytes:
    document: Document = json.loads(data)
    edit(document)
    return json.dumps(document).encode()
