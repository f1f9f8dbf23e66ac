"""Signed releases made on the spot and walked, as the hook builder gets them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from edge_bundle.attestation import Materials, build_proofs, build_provenance
from edge_bundle.bundle import VariantContent, attach, release_index, write_bundle
from edge_bundle.contract import Contract, Metric
from edge_bundle.contract_file import contract_digest
from edge_bundle.digest import sha256_digest
from edge_bundle.dsse import IN_TOTO_PAYLOAD_TYPE, sign_envelope
from edge_bundle.golden import GoldenVector
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.layout import Layout
from edge_bundle.manifest import NumericClass, Precision, VariantManifest
from edge_bundle.proof import AccuracyProof, AgreementProof, DeterminismProof, LatencyProof, MeasuredOn, Proof
from edge_bundle.tensor import DYNAMIC, Tensor, TensorSpec
from edge_bundle.walk import VerifiedRelease, walk_source

OWNERS = (SigningKey.from_seed(b"a" * 32), SigningKey.from_seed(b"b" * 32))
POLICY = TrustPolicy(tuple(key.public for key in OWNERS), threshold=2)
PROFILE = "cpu-fp32"


def make_release(
    directory: Path, contract: Contract, artifact: bytes, numeric_class: NumericClass = NumericClass.HOST_EXACT
) -> VerifiedRelease:
    """A release of one ONNX Runtime variant, signed by two owners, written to ``directory`` and verified from there."""
    manifest = VariantManifest(
        name=contract.name,
        version=contract.version,
        profile=PROFILE,
        runtime="onnxruntime",
        precision=Precision.FP32,
        numeric_class=numeric_class,
        threads=1,
        entrypoint="model.onnx",
        inputs=tuple(rule.spec for rule in contract.inputs),
        outputs=tuple(rule.spec for rule in contract.outputs),
        model_digest=sha256_digest(artifact),
        contract_digest=contract_digest(contract),
        toolchain={},
    )
    golden = GoldenVector(inputs=_zeros(manifest.inputs), outputs=_zeros(manifest.outputs))
    content = VariantContent(manifest, contract, {"model.onnx": artifact}, (golden,))
    with Layout.create(directory) as layout:
        refs = write_bundle(layout, contract.name, contract.version, [content])
        about = {"name": contract.name, "version": contract.version, "bundle_digest": refs.bundle_digest}
        materials = Materials(
            model=manifest.model_digest, contract=manifest.contract_digest, evaluation=sha256_digest(b"")
        )
        proof = _proof(manifest, refs.variant_digests[PROFILE], len(artifact))
        provenance = build_provenance(**about, materials=materials)
        proofs = build_proofs(**about, proofs=[proof])
        attach(layout, sign_envelope(IN_TOTO_PAYLOAD_TYPE, provenance, OWNERS), "provenance")
        attach(layout, sign_envelope(IN_TOTO_PAYLOAD_TYPE, proofs, OWNERS), "proof")
        return walk_source(release_index(layout), layout, POLICY)


def _zeros(specs: Sequence[TensorSpec]) -> dict[str, Tensor]:
    shapes = {spec.name: (spec.dtype, tuple(1 if size == DYNAMIC else size for size in spec.shape)) for spec in specs}
    return {
        name: Tensor(dtype, shape, bytes(math.prod(shape) * dtype.itemsize)) for name, (dtype, shape) in shapes.items()
    }


def _proof(manifest: VariantManifest, variant_digest: str, artifact_bytes: int) -> Proof:
    return Proof(
        profile=manifest.profile,
        variant_digest=variant_digest,
        precision=manifest.precision,
        numeric_class=manifest.numeric_class,
        accuracy=AccuracyProof(metric=Metric.TOP1, correct=1, samples=1, value=1.0, low=0.2, high=1.0),
        agreement=AgreementProof(top1=1.0, cosine=1.0, sqnr_db=None, mean_abs_diff=0.0, max_abs_diff=0.0),
        latency=LatencyProof(p50_us=20.0, p90_us=30.0, p99_us=40.0, runs=100),
        peak_rss_bytes=1,
        artifact_bytes=artifact_bytes,
        determinism=DeterminismProof(samples=1, repeats=3, engines=2, processes=2, repeatable=True),
        evaluation_digest=sha256_digest(b""),
        measured_on=MeasuredOn(
            arch="x86_64", cpu="test", cores=1, os="linux", runtime="onnxruntime", runtime_version="1", threads=1
        ),
        measured_at="2026-11-22T00:00:00Z",
    )
