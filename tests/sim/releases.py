"""Small real releases: the digits model in ONNX Runtime, with goldens from the real engine, signed by real keys."""

from __future__ import annotations

import functools
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_bundle.attestation import Materials, build_proofs, build_provenance
from edge_bundle.bundle import VariantContent, attach, write_bundle
from edge_bundle.contract import Contract, Metric
from edge_bundle.contract_file import contract_digest, load_contract
from edge_bundle.digest import sha256_digest
from edge_bundle.dsse import IN_TOTO_PAYLOAD_TYPE, sign_envelope
from edge_bundle.golden import GoldenVector
from edge_bundle.keys import SigningKey
from edge_bundle.layout import Layout
from edge_bundle.manifest import NumericClass, Precision, VariantManifest
from edge_bundle.proof import (
    AccuracyProof,
    AgreementProof,
    DeterminismProof,
    LatencyProof,
    MeasuredOn,
    PlacementProof,
    Proof,
)
from edge_bundle.release_documents import parse_release_index
from edge_bundle.tensor import DType, Tensor
from edge_runtime.factory import open_engine, source_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits"
PROFILE = "cpu-fp32"
MODEL = "digits"
PIXELS = 64
_PRODUCER_VERSION_TAG = 0x1A
"""Field 3 (``producer_version``) of ONNX ``ModelProto``, length-delimited; a repeated scalar field: the last one counts."""

ALICE, BOB, MALLORY = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
OWNERS = (ALICE, BOB)


@dataclass(frozen=True)
class Release:
    """A signed release: its index and every blob by digest."""

    version: str
    index: bytes
    bundle_digest: str
    blobs: dict[str, bytes]

    @property
    def index_digest(self) -> str:
        """Digest of the release index."""
        return sha256_digest(self.index)


def image(shade: float) -> dict[str, Tensor]:
    """One input of the digits model: a ramp of grey, shifted by ``shade``."""
    pixels = [(i / 4 + shade) % 16.0 for i in range(PIXELS)]
    return {"image": Tensor(DType.FP32, (1, 1, 8, 8), struct.pack(f"<{PIXELS}f", *pixels))}


def model_bytes(version: str) -> bytes:
    """The example's ONNX file under another producer version, so that each release has an artifact of its own."""
    text = version.encode()
    return (EXAMPLE / "digits.onnx").read_bytes() + bytes([_PRODUCER_VERSION_TAG, len(text)]) + text


@functools.cache
def make_release(
    version: str,
    *,
    signers: Sequence[SigningKey] = OWNERS,
    wrong_goldens: bool = False,
    profile: str = PROFILE,
    runtime: str = "onnxruntime",
    placement: PlacementProof | None = None,
) -> Release:
    """A release of the digits model; ``wrong_goldens`` makes it impossible to activate.

    So do a ``placement``, which a CPU's engine does not have, and a ``runtime`` that has no engine.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "bundle"
        with make_layout(
            folder,
            version,
            signers=signers,
            wrong_goldens=wrong_goldens,
            profile=profile,
            runtime=runtime,
            placement=placement,
        ) as layout:
            index = layout.index
        blobs = {f"sha256:{path.name}": path.read_bytes() for path in (folder / "blobs" / "sha256").iterdir()}
    bundle = parse_release_index(index).bundle.digest
    return Release(version=version, index=index, bundle_digest=bundle, blobs={**blobs, sha256_digest(index): index})


def make_layout(
    folder: Path,
    version: str,
    *,
    signers: Sequence[SigningKey] = OWNERS,
    wrong_goldens: bool = False,
    profile: str = PROFILE,
    runtime: str = "onnxruntime",
    placement: PlacementProof | None = None,
) -> Layout:
    """The same release as a bundle directory, for publishing."""
    contract = msgspec.structs.replace(load_contract(EXAMPLE / "contract.toml"), version=version)
    artifact = {"model.onnx": model_bytes(version)}
    manifest = _manifest(contract, artifact["model.onnx"], profile)
    goldens = _goldens(manifest, artifact, wrong=wrong_goldens)
    manifest = msgspec.structs.replace(manifest, runtime=runtime)
    layout = Layout.create(folder)
    refs = write_bundle(layout, MODEL, version, [VariantContent(manifest, contract, artifact, goldens)])
    ref = {"name": MODEL, "version": version, "bundle_digest": refs.bundle_digest}
    materials = Materials(
        model=manifest.model_digest, contract=manifest.contract_digest, evaluation=sha256_digest(b"evaluation")
    )
    proof = msgspec.structs.replace(
        _proof(manifest, refs.variant_digests[profile], artifact["model.onnx"]), placement=placement
    )
    provenance = build_provenance(**ref, materials=materials)
    proofs = build_proofs(**ref, proofs=[proof])
    attach(layout, sign_envelope(IN_TOTO_PAYLOAD_TYPE, provenance, signers), "provenance")
    attach(layout, sign_envelope(IN_TOTO_PAYLOAD_TYPE, proofs, signers), "proof")
    return layout


def _manifest(contract: Contract, model: bytes, profile: str) -> VariantManifest:
    return VariantManifest(
        name=contract.name,
        version=contract.version,
        profile=profile,
        runtime="onnxruntime",
        precision=Precision.FP32,
        numeric_class=NumericClass.HOST_EXACT,
        threads=1,
        entrypoint="model.onnx",
        inputs=tuple(rule.spec for rule in contract.inputs),
        outputs=tuple(rule.spec for rule in contract.outputs),
        model_digest=sha256_digest(model),
        contract_digest=contract_digest(contract),
        toolchain={"onnxruntime": "test"},
    )


def _goldens(manifest: VariantManifest, artifact: dict[str, bytes], *, wrong: bool) -> tuple[GoldenVector, ...]:
    with open_engine(source_of(manifest, artifact)) as engine:
        vectors = [GoldenVector(image(shade), engine.run(image(shade))) for shade in (0.0, 1.0, 2.0)]
    if wrong:
        vectors = [GoldenVector(v.inputs, {k: _flipped(t) for k, t in v.outputs.items()}) for v in vectors]
    return tuple(vectors)


def _flipped(tensor: Tensor) -> Tensor:
    values = struct.unpack(f"<{len(tensor.data) // 4}f", tensor.data)
    return Tensor(tensor.dtype, tensor.shape, struct.pack(f"<{len(values)}f", *(1.0 - v for v in values)))


def _proof(manifest: VariantManifest, variant_digest: str, model: bytes) -> Proof:
    return Proof(
        profile=manifest.profile,
        variant_digest=variant_digest,
        precision=manifest.precision,
        numeric_class=manifest.numeric_class,
        accuracy=AccuracyProof(metric=Metric.TOP1, correct=97, samples=100, value=0.97, low=0.915, high=0.99),
        agreement=AgreementProof(top1=1.0, cosine=1.0, sqnr_db=None, mean_abs_diff=0.0, max_abs_diff=0.0),
        latency=LatencyProof(p50_us=50.0, p90_us=60.0, p99_us=80.0, runs=100),
        peak_rss_bytes=50_000_000,
        artifact_bytes=len(model),
        determinism=DeterminismProof(samples=1, repeats=3, engines=2, processes=2, repeatable=True),
        evaluation_digest=sha256_digest(b"evaluation"),
        measured_on=MeasuredOn(
            arch="x86_64", cpu="test", cores=1, os="linux", runtime="onnxruntime", runtime_version="test", threads=1
        ),
        measured_at="2026-01-01T00:00:00Z",
    )
