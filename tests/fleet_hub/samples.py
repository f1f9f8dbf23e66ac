"""Small real bundles, signed; made for any model name and version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_bundle.attestation import Materials, build_proofs, build_provenance
from edge_bundle.bundle import VariantContent, attach, write_bundle
from edge_bundle.contract_file import contract_digest, parse_contract
from edge_bundle.digest import sha256_digest
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.layout import Layout
from tests.edge_bundle.samples import CONTRACT_TOML, MODEL_DIGEST, sample_golden, sample_proof, sample_variant, sign

ALICE = SigningKey.from_seed(b"a" * 32)
BOB = SigningKey.from_seed(b"b" * 32)
CAROL = SigningKey.from_seed(b"c" * 32)
MALLORY = SigningKey.from_seed(b"m" * 32)
OWNERS = (ALICE, BOB)
POLICY = TrustPolicy((ALICE.public, BOB.public), threshold=2)
PROFILES = ("cpu-fp32", "cpu-int8")


def make_bundle(
    directory: Path, version: str = "1.0.0", model: str = "digits", keys: Sequence[SigningKey] = OWNERS
) -> Layout:
    """A bundle of two variants; the artifact differs by version."""
    text = CONTRACT_TOML.replace('"1.0.0"', f'"{version}"').replace('name = "digits"', f'name = "{model}"')
    contract = parse_contract(text, file="contract.toml")
    digest = contract_digest(contract)
    variants = []
    for profile in PROFILES:
        manifest = msgspec.structs.replace(
            sample_variant(profile).manifest, name=model, version=version, contract_digest=digest
        )
        artifact = {"model.onnx": f"weights of {model} {version} for {profile}".encode() * 50}
        variants.append(VariantContent(manifest, contract, artifact, (sample_golden(),)))
    layout = Layout.create(directory)
    refs = write_bundle(layout, model, version, variants)
    materials = Materials(
        model=MODEL_DIGEST,
        contract=digest,
        evaluation=sha256_digest(b"evaluation"),
        git_commit="0" * 40,
        toolchain={"onnx": "1.20.0"},
        parameters={"seed": "0"},
    )
    what = {"name": model, "version": version, "bundle_digest": refs.bundle_digest}
    attach(layout, sign(build_provenance(**what, materials=materials), keys), "provenance")
    proofs = [sample_proof(profile, variant) for profile, variant in refs.variant_digests.items()]
    attach(layout, sign(build_proofs(**what, proofs=proofs), keys), "proof")
    return layout
