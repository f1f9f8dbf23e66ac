"""Pass 12, sign: provenance and proofs are signed and attached, the bundle is verified as a node would, and published.

Requires: a bundle in the staging directory; at least one signing key.
Ensures:
    1. the release index lists both envelopes, and the whole release verifies under the signing keys;
    2. ``out_dir`` holds the complete release, moved there in one rename; its documents lie beside it.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.compilation import Compilation, Measured, need
from compiler.passes.ensures import ensure
from compiler.passes.package import manifest
from compiler.progress import Progress
from compiler.publishing.documents import write_documents
from compiler.publishing.ml_bom import ml_bom
from compiler.publishing.publish import publish, staging_dir
from compiler.quantized import Quantized
from compiler.toolchain import versions
from edge_bundle.attestation import Materials, build_proofs, build_provenance
from edge_bundle.bundle import attach, release_index
from edge_bundle.digest import sha256_digest
from edge_bundle.dsse import IN_TOTO_PAYLOAD_TYPE, sign_envelope
from edge_bundle.keys import TrustPolicy
from edge_bundle.layout import Layout
from edge_bundle.proof import MAX_LISTED, KeptLayer, Proof, QuantizationProof
from edge_bundle.walk import walk_source

NAME = "sign"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Attach the signed statements, verify, publish.

    Raises:
        ConflictError: ``out_dir`` was taken meanwhile.

    """
    progress.start(NAME, 1)
    request, contract, refs = state.request, state.sources.contract, need(state.refs, "bundle")
    proofs = tuple(proof(measured, state) for measured in state.measured)
    ref = {"name": contract.name, "version": contract.version, "bundle_digest": refs.bundle_digest}
    staging = staging_dir(request.out_dir)
    with Layout.open(staging) as layout:
        provenance = build_provenance(**ref, materials=materials(state))
        made = sign_envelope(IN_TOTO_PAYLOAD_TYPE, provenance, request.keys)
        proven = sign_envelope(IN_TOTO_PAYLOAD_TYPE, build_proofs(**ref, proofs=proofs), request.keys)
        attach(layout, made, "provenance")
        attach(layout, proven, "proof")
        index = release_index(layout)
        policy = TrustPolicy(tuple(key.public for key in request.keys), len(request.keys))
        walk_source(index, layout, policy)
    variants = tuple((manifest(m, state.sources), p) for m, p in zip(state.measured, proofs, strict=True))
    bom = ml_bom(state.sources, variants, need(state.reference, "reference").accuracy, refs, _toolchain(state))
    publish(request.out_dir, force=request.force)
    write_documents(request.out_dir, ml_bom=bom, provenance=provenance, envelopes=(made, proven))
    progress.advance()
    progress.done()
    return replace(state, proofs=proofs, release_index_digest=sha256_digest(index))


def check(state: Compilation) -> None:
    """Rule 2; rule 1 was checked before publishing."""
    with Layout.open(state.request.out_dir) as layout:
        digest = sha256_digest(release_index(layout))
    ensure(digest == state.release_index_digest, stage=NAME, promise="the release is in its place")


def proof(measured: Measured, state: Compilation) -> Proof:
    """The proof of one variant, now that its digest is known."""
    profile = measured.lowered.profile
    return Proof(
        profile=profile.name,
        variant_digest=need(state.refs, "bundle").variant_digests[profile.name],
        precision=profile.precision,
        numeric_class=measured.numeric_class,
        accuracy=measured.accuracy,
        slices=dict(measured.slices),
        agreement=measured.agreement,
        paired=measured.paired,
        latency=measured.latency,
        estimate=measured.lowered.estimate,
        placement=measured.placement,
        quantization=_quantization(measured.lowered.quantized, state),
        determinism=measured.determinism,
        peak_rss_bytes=measured.peak_rss_bytes,
        artifact_bytes=sum(len(data) for data in measured.lowered.files.values()),
        evaluation_digest=state.sources.evaluation.digest,
        measured_on=measured.measured_on,
        measured_at=measured.measured_at,
    )


def _quantization(made: Quantized | None, state: Compilation) -> QuantizationProof | None:
    if made is None:
        return None
    dataset = state.sources.calibration
    kept = [
        KeptLayer(layer=one.name, operator=one.operator, precision=one.precision, reason=one.reason)
        for one in made.layers
        if one.kept
    ]
    return QuantizationProof(
        scheme=str(made.scheme),
        quantized=len(made.layers) - len(kept),
        kept=tuple(kept[:MAX_LISTED]),
        calibration_digest=dataset.digest if dataset else "",
        calibration_samples=dataset.samples if dataset else 0,
    )


def materials(state: Compilation) -> Materials:
    """Everything that went into the compile, by digest; no time and nothing measured."""
    sources, request = state.sources, state.request
    return Materials(
        model=sources.model_digest,
        contract=sources.contract_digest,
        evaluation=sources.evaluation.digest,
        calibration=sources.calibration.digest if sources.calibration else None,
        metric=sources.judge.function_digest,
        git_commit=request.git_commit or None,
        toolchain=_toolchain(state),
        parameters={
            "batches": " ".join(map(str, sorted(request.batches))),
            "dims": " ".join(f"{name}={size}" for name, size in sorted(request.dims.items())),
            "profiles": " ".join(sorted(profile.name for profile in request.profiles)),
            **({"race": "true"} if request.race else {}),
            "seed": str(request.seed),
        },
    )


def _toolchain(state: Compilation) -> dict[str, str]:
    merged = versions()
    for measured in state.measured:
        merged.update(measured.lowered.toolchain)
    return dict(sorted(merged.items()))
