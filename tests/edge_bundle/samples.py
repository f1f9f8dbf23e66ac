"""A small, real, signed bundle for tests, and the means to break it in one place at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bundle.attestation import Materials, build_proofs, build_provenance
from edge_bundle.bundle import BundleRefs, VariantContent, attach, write_bundle
from edge_bundle.contract import Contract, Metric
from edge_bundle.contract_file import contract_digest, parse_contract
from edge_bundle.digest import sha256_digest
from edge_bundle.dsse import IN_TOTO_PAYLOAD_TYPE, sign_envelope
from edge_bundle.golden import GoldenVector
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.layout import Layout
from edge_bundle.manifest import NumericClass, Precision, VariantManifest
from edge_bundle.proof import AccuracyProof, AgreementProof, DeterminismProof, LatencyProof, MeasuredOn, Proof
from edge_bundle.tensor import DType, Tensor

ALICE = SigningKey.from_seed(b"a" * 32)
BOB = SigningKey.from_seed(b"b" * 32)
MALLORY = SigningKey.from_seed(b"m" * 32)
POLICY = TrustPolicy((ALICE.public, BOB.public), threshold=2)

CONTRACT_TOML = """\
schema = 1
name = "digits"
version = "1.0.0"
owner = "vision team"

[[inputs]]
name = "image"
dtype = "FP32"
shape = [-1, 1, 8, 8]
minimum = 0.0
maximum = 16.0
on_violation = "clip"

[[outputs]]
name = "logits"
dtype = "FP32"
shape = [-1, 10]

[accuracy]
output = "logits"
minimum = 0.9
"""

MODEL_DIGEST = sha256_digest(b"the model")


def sample_contract() -> Contract:
    return parse_contract(CONTRACT_TOML, file="contract.toml")


def floats(*values: float, shape: tuple[int, ...]) -> Tensor:
    return Tensor(DType.FP32, shape, struct.pack(f"<{len(values)}f", *values))


def sample_golden(value: float = 1.0) -> GoldenVector:
    return GoldenVector(
        inputs={"image": floats(*([value] * 64), shape=(1, 1, 8, 8))},
        outputs={"logits": floats(*range(10), shape=(1, 10))},
    )


def sample_variant(profile: str, precision: Precision = Precision.FP32) -> VariantContent:
    contract = sample_contract()
    manifest = VariantManifest(
        name=contract.name,
        version=contract.version,
        profile=profile,
        runtime="onnxruntime",
        precision=precision,
        numeric_class=NumericClass.HOST_EXACT,
        threads=1,
        entrypoint="model.onnx",
        inputs=tuple(rule.spec for rule in contract.inputs),
        outputs=tuple(rule.spec for rule in contract.outputs),
        model_digest=MODEL_DIGEST,
        contract_digest=contract_digest(contract),
        toolchain={"onnx": "1.20.0"},
    )
    artifact = {"model.onnx": f"weights of {profile}".encode() * 20}
    return VariantContent(manifest, contract, artifact, (sample_golden(), sample_golden(2.0)))


def sample_proof(profile: str, variant_digest: str, precision: Precision = Precision.FP32) -> Proof:
    return Proof(
        profile=profile,
        variant_digest=variant_digest,
        precision=precision,
        numeric_class=NumericClass.HOST_EXACT,
        accuracy=AccuracyProof(metric=Metric.TOP1, correct=97, samples=100, value=0.97, low=0.915, high=0.99),
        agreement=AgreementProof(top1=1.0, cosine=1.0, sqnr_db=None, mean_abs_diff=0.0, max_abs_diff=0.0),
        latency=LatencyProof(p50_us=10.5, p90_us=11.0, p99_us=12.25, runs=100),
        peak_rss_bytes=50_000_000,
        artifact_bytes=400,
        determinism=DeterminismProof(samples=1, repeats=3, engines=2, processes=2, repeatable=True),
        evaluation_digest=sha256_digest(b"evaluation"),
        measured_on=MeasuredOn(
            arch="x86_64", cpu="test", cores=2, os="linux", runtime="onnxruntime", runtime_version="1.23.0", threads=1
        ),
        measured_at="2026-01-01T00:00:00Z",
    )


SAMPLE_PROFILES = {"cpu-fp32": Precision.FP32, "cpu-int8": Precision.INT8}


@dataclass(frozen=True)
class SampleRelease:
    """A layout on disk with what it was made from."""

    layout: Layout
    refs: BundleRefs

    @property
    def index(self) -> bytes:
        return self.layout.index


def provenance_payload(bundle_digest: str, *, name: str = "digits", version: str = "1.0.0") -> bytes:
    materials = Materials(
        model=MODEL_DIGEST,
        contract=contract_digest(sample_contract()),
        evaluation=sha256_digest(b"evaluation"),
        git_commit="0" * 40,
        toolchain={"onnx": "1.20.0"},
        parameters={"seed": "0"},
    )
    return build_provenance(name=name, version=version, bundle_digest=bundle_digest, materials=materials)


def proofs_payload(refs: BundleRefs, edit: Callable[[Proof], Proof] = lambda proof: proof) -> bytes:
    proofs = [edit(sample_proof(p, d, SAMPLE_PROFILES.get(p, Precision.FP32))) for p, d in refs.variant_digests.items()]
    return build_proofs(name="digits", version="1.0.0", bundle_digest=refs.bundle_digest, proofs=proofs)


def sign(payload: bytes, keys: Sequence[SigningKey] = (ALICE, BOB), payload_type: str = IN_TOTO_PAYLOAD_TYPE) -> bytes:
    return sign_envelope(payload_type, payload, keys)


def sample_release(directory: Path, keys: Sequence[SigningKey] = (ALICE, BOB)) -> SampleRelease:
    """Two variants, signed by Alice and Bob unless told otherwise."""
    layout = Layout.create(directory)
    variants = [sample_variant(profile, precision) for profile, precision in SAMPLE_PROFILES.items()]
    refs = write_bundle(layout, "digits", "1.0.0", variants)
    attach(layout, sign(provenance_payload(refs.bundle_digest), keys), "provenance")
    attach(layout, sign(proofs_payload(refs), keys), "proof")
    return SampleRelease(layout, refs)


def with_manifest(variant: VariantContent, **changes: object) -> VariantContent:
    manifest = msgspec.structs.replace(variant.manifest, **changes)
    return VariantContent(manifest, variant.contract, variant.artifact, variant.goldens)
