"""What a model file or a bundle holds, for ``skerry inspect``.

Nothing is verified here: a bundle is described as it claims to be. Use the walk (``edge_bundle.walk``) to trust one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compiler.importer import model_file, summary
from edge_bundle.attestation import parse_proofs, parse_provenance
from edge_bundle.canonical import decode
from edge_bundle.contract import Contract
from edge_bundle.digest import sha256_digest
from edge_bundle.dsse import Envelope
from edge_bundle.errors import FormatError, InvalidInputError
from edge_bundle.layout import Layout
from edge_bundle.limits import MAX_CONFIG_BYTES, MAX_CONTRACT_BYTES, MAX_ENVELOPE_BYTES, MAX_INDEX_BYTES
from edge_bundle.manifest import VariantManifest
from edge_bundle.oci import Descriptor
from edge_bundle.proof import Proof
from edge_bundle.release_documents import parse_bundle_index, parse_image_manifest, parse_release_index
from edge_bundle.tensor import TensorSpec


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """An ONNX file. ``-1`` in a shape is a dimension that the model leaves open."""

    path: Path
    digest: str
    size_bytes: int
    ir_version: int
    opset: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    op_counts: Mapping[str, int]
    parameters: int


@dataclass(frozen=True, kw_only=True)
class VariantDescription:
    """One variant; ``download_bytes`` is what a node fetches for it."""

    variant_digest: str
    manifest: VariantManifest
    download_bytes: int
    proof: Proof | None


@dataclass(frozen=True, kw_only=True)
class BundleDescription:
    """A bundle as it claims to be. ``signers`` are key ids named in the envelopes, unchecked."""

    path: Path
    name: str
    version: str
    bundle_digest: str
    release_index_digest: str
    contract: Contract
    variants: tuple[VariantDescription, ...]
    provenance: Mapping[str, str]
    toolchain: Mapping[str, str]
    signers: Mapping[str, tuple[str, ...]]


def describe(path: Path) -> ModelDescription | BundleDescription:
    """A directory or ``.tar`` is taken for a bundle, anything else for a model.

    Raises:
        InvalidInputError, CompileError: not a model that the compiler takes.
        NotFoundError, FormatError, LimitExceededError, DigestMismatchError: not a whole bundle.

    """
    if path.is_dir() or path.suffix == ".tar":
        return describe_bundle(path)
    if path.suffix == ".wasm":
        raise InvalidInputError(
            file=str(path), expected="an ONNX file or a bundle", got="a module", advice=f"skerry wasm inspect {path}"
        )
    return describe_model(path)


def describe_model(path: Path) -> ModelDescription:
    """Describe an ONNX file; raises like ``describe``."""
    data = model_file.read_file(path)
    graph = summary.summarise(data, stage="inspect")
    return ModelDescription(
        path=path,
        digest=graph.digest,
        size_bytes=len(data),
        ir_version=graph.ir_version,
        opset=graph.opset,
        inputs=graph.inputs,
        outputs=graph.outputs,
        op_counts=graph.op_counts,
        parameters=graph.parameters,
    )


def describe_bundle(path: Path) -> BundleDescription:
    """Describe a bundle without trusting it; raises like ``describe``."""
    with Layout.open(path) as layout:
        index = layout.index
        release = parse_release_index(index)
        bundle = parse_bundle_index(layout.read(release.bundle.digest, max_bytes=MAX_INDEX_BYTES))
        made, made_by = _payload(layout, release.provenance, "provenance")
        proven, proven_by = _payload(layout, release.proof, "proof")
        provenance = parse_provenance(made).predicate
        proofs = {proof.profile: proof for proof in parse_proofs(proven).predicate.proofs}
        variants = tuple(
            _variant(layout, descriptor, proofs.get(profile)) for profile, descriptor in sorted(bundle.variants.items())
        )
        contract = _contract(layout, next(iter(bundle.variants.values())))
    return BundleDescription(
        path=path,
        name=release.name,
        version=release.version,
        bundle_digest=release.bundle.digest,
        release_index_digest=sha256_digest(index),
        contract=contract,
        variants=variants,
        provenance=provenance.digests,
        toolchain=provenance.run_details.builder.version,
        signers={"provenance": made_by, "proof": proven_by},
    )


def _payload(layout: Layout, descriptor: Descriptor, what: str) -> tuple[bytes, tuple[str, ...]]:
    data = layout.read(descriptor.digest, max_bytes=MAX_ENVELOPE_BYTES)
    envelope = decode(data, Envelope, what=f"{what} envelope", max_bytes=MAX_ENVELOPE_BYTES)
    try:
        payload = base64.b64decode(envelope.payload, validate=True)
    except binascii.Error as error:
        raise FormatError(what=f"{what} payload", expected="base64", got=str(error)) from None
    return payload, tuple(sorted(signature.keyid for signature in envelope.signatures))


def _variant(layout: Layout, descriptor: Descriptor, proof: Proof | None) -> VariantDescription:
    parts = parse_image_manifest(layout.read(descriptor.digest, max_bytes=MAX_INDEX_BYTES))
    config = layout.read(parts.config.digest, max_bytes=MAX_CONFIG_BYTES)
    manifest = decode(config, VariantManifest, what="variant manifest", max_bytes=MAX_CONFIG_BYTES)
    sizes = (descriptor.size, parts.config.size, parts.contract.size, parts.artifact.size, parts.golden.size)
    return VariantDescription(
        variant_digest=descriptor.digest, manifest=manifest, download_bytes=sum(sizes), proof=proof
    )


def _contract(layout: Layout, descriptor: Descriptor) -> Contract:
    parts = parse_image_manifest(layout.read(descriptor.digest, max_bytes=MAX_INDEX_BYTES))
    data = layout.read(parts.contract.digest, max_bytes=MAX_CONTRACT_BYTES)
    return decode(data, Contract, what="contract", max_bytes=MAX_CONTRACT_BYTES)
