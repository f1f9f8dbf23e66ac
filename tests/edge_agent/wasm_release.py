"""A signed release of the hand-written WebAssembly module, walked to the variant that an agent would prove."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge_bundle.attestation import Materials, build_proofs, build_provenance
from edge_bundle.bundle import VariantContent, attach, write_bundle
from edge_bundle.contract import AccuracyTarget, Contract, Limits, Metric, TensorRule
from edge_bundle.contract_file import contract_digest
from edge_bundle.digest import sha256_digest
from edge_bundle.dsse import IN_TOTO_PAYLOAD_TYPE, sign_envelope
from edge_bundle.golden import GoldenVector
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.layout import Layout
from edge_bundle.manifest import NumericClass, Precision, VariantManifest
from edge_bundle.proof import Proof
from edge_bundle.tensor import Tensor
from edge_bundle.walk import VerifiedVariant, walk_source
from tests.edge_bundle.samples import sample_proof
from tests.edge_runtime.wasm.modules import X, Y, artifact, expected, rows

OWNER = SigningKey.from_seed(b"\7" * 32)
POLICY = TrustPolicy(keys=(OWNER.public,), threshold=1)
PROFILE, MODEL, VERSION = "wasm-simd128", "scale", "1.0.0"
DIGEST = sha256_digest(b"the model")

CONTRACT = Contract(
    schema=1,
    name=MODEL,
    version=VERSION,
    owner="tests",
    inputs=(TensorRule(name="x", dtype=X.dtype, shape=X.shape),),
    outputs=(TensorRule(name="y", dtype=Y.dtype, shape=Y.shape),),
    accuracy=AccuracyTarget(metric=Metric.TOP1, output="y"),
    limits=Limits(max_batch=16),
)


def wasm_variant(
    folder: Path,
    *,
    numeric_class: NumericClass = NumericClass.PORTABLE_EXACT,
    off_by_one_bit: bool = False,
    edit: Callable[[Proof], Proof] = lambda proof: proof,
) -> VerifiedVariant:
    """The variant after the walk; with ``off_by_one_bit`` its golden outputs differ in their last bit."""
    files = artifact(1, 4)
    manifest = VariantManifest(
        name=MODEL,
        version=VERSION,
        profile=PROFILE,
        runtime="wasm",
        precision=Precision.FP32,
        numeric_class=numeric_class,
        threads=1,
        entrypoint="b1.wasm",
        options={"relaxed-simd": "off"},
        inputs=(X,),
        outputs=(Y,),
        model_digest=DIGEST,
        contract_digest=contract_digest(CONTRACT),
        toolchain={"wasmtime": "test"},
    )
    goldens = tuple(_golden(rows(count), off_by_one_bit) for count in (1, 3, 6))
    with Layout.create(folder) as layout:
        refs = write_bundle(layout, MODEL, VERSION, [VariantContent(manifest, CONTRACT, files, goldens)])
        ref = {"name": MODEL, "version": VERSION, "bundle_digest": refs.bundle_digest}
        materials = Materials(model=DIGEST, contract=manifest.contract_digest, evaluation=DIGEST)
        proof = edit(_proof(manifest, refs.variant_digests[PROFILE]))
        provenance, proofs = build_provenance(**ref, materials=materials), build_proofs(**ref, proofs=[proof])
        attach(layout, sign_envelope(IN_TOTO_PAYLOAD_TYPE, provenance, [OWNER]), "provenance")
        attach(layout, sign_envelope(IN_TOTO_PAYLOAD_TYPE, proofs, [OWNER]), "proof")
        index = layout.index

    class Blobs:
        def read(self, digest: str, *, max_bytes: int) -> bytes:
            return (folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()

    return walk_source(index, Blobs(), POLICY, PROFILE).variants[PROFILE]


def _golden(x: Tensor, off_by_one_bit: bool) -> GoldenVector:
    y = expected(x)
    if off_by_one_bit:
        bits = struct.unpack(f"<{len(y.data) // 4}I", y.data)
        y = Tensor(y.dtype, y.shape, struct.pack(f"<{len(bits)}I", *(value ^ 1 for value in bits)))
    return GoldenVector({"x": x}, {"y": y})


def _proof(manifest: VariantManifest, variant_digest: str) -> Proof:
    return msgspec.structs.replace(
        sample_proof(manifest.profile, variant_digest, manifest.precision), numeric_class=manifest.numeric_class
    )
