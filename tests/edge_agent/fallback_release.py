"""Releases of the digits model with several variants and a contract that says which takes the place of which."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import msgspec

from edge_bundle.attestation import Materials, build_proofs, build_provenance
from edge_bundle.bundle import VariantContent, attach, write_bundle
from edge_bundle.contract import Contract, FallbackChain
from edge_bundle.contract_file import load_contract
from edge_bundle.digest import sha256_digest
from edge_bundle.dsse import IN_TOTO_PAYLOAD_TYPE, sign_envelope
from edge_bundle.layout import Layout
from edge_bundle.release_documents import parse_release_index
from tests.edge_runtime.models import artifact
from tests.sim import releases
from tests.sim.releases import EXAMPLE, MODEL, OWNERS, Release, model_bytes

NPU = "openvino-npu"
"""The profile that a node asks for here; without such a device its variant cannot be opened."""


@functools.cache
def fallback_release(version: str, chain: tuple[str, ...], *profiles: str, broken: tuple[str, ...] = ()) -> Release:
    """Variants for ``profiles``; those of ``broken`` have golden outputs that no device gives."""
    contract = msgspec.structs.replace(
        load_contract(EXAMPLE / "contract.toml"), version=version, fallback=FallbackChain(profiles=chain)
    )
    contents = [_variant(contract, profile, broken=profile in broken) for profile in profiles]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "bundle"
        with Layout.create(folder) as layout:
            refs = write_bundle(layout, MODEL, version, contents)
            ref = {"name": MODEL, "version": version, "bundle_digest": refs.bundle_digest}
            digest = sha256_digest(b"evaluation")
            materials = Materials(model=digest, contract=contents[0].manifest.contract_digest, evaluation=digest)
            proofs = [
                releases._proof(one.manifest, refs.variant_digests[one.manifest.profile], model_bytes(version))
                for one in contents
            ]
            provenance, statement = build_provenance(**ref, materials=materials), build_proofs(**ref, proofs=proofs)
            attach(layout, sign_envelope(IN_TOTO_PAYLOAD_TYPE, provenance, OWNERS), "provenance")
            attach(layout, sign_envelope(IN_TOTO_PAYLOAD_TYPE, statement, OWNERS), "proof")
            index = layout.index
        blobs = {f"sha256:{path.name}": path.read_bytes() for path in (folder / "blobs" / "sha256").iterdir()}
    bundle = parse_release_index(index).bundle.digest
    return Release(version=version, index=index, bundle_digest=bundle, blobs={**blobs, sha256_digest(index): index})


def _variant(contract: Contract, profile: str, *, broken: bool) -> VariantContent:
    """Real files with real goldens; that of ``NPU`` says that it runs on such a device."""
    model = model_bytes(contract.version)
    files = {"model.onnx": model}
    manifest = releases._manifest(contract, model, profile)
    goldens = releases._goldens(manifest, files, wrong=broken)
    if profile == NPU:
        entrypoint, files = "model.xml", dict(artifact("openvino", model)[1])
        manifest = msgspec.structs.replace(
            manifest, runtime="openvino", entrypoint=entrypoint, options={"device": "NPU"}
        )
    return VariantContent(manifest, contract, files, goldens)
