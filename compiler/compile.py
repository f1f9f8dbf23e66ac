"""The compiler's front door: model, contract and data in; a proven, signed release out."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from compiler.compilation import Compilation, Refusal, Stage, need
from compiler.measuring.race import Race
from compiler.passes.package import manifest
from compiler.pipeline import run_passes
from compiler.progress import Progress, Silent
from compiler.publishing.documents import attestations_path, ml_bom_path, provenance_path
from compiler.publishing.publish import check_destination, claim, recover, staging_dir
from compiler.quantized import Quantized
from compiler.request import CompileRequest
from compiler.sources import load_sources
from edge_bundle.errors import UnavailableError
from edge_bundle.manifest import VariantManifest
from edge_bundle.proof import AccuracyProof, Proof

_DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """One compiled variant and its signed figures."""

    manifest: VariantManifest
    proof: Proof


@dataclass(frozen=True, kw_only=True)
class CompileResult:
    """What a compile made. ``bundle_dir`` is the OCI layout; ``variants`` are in the order of the request.

    ``refused`` profiles have no variant; ``races`` has the field of every profile that was raced; ``quantized`` has
    every scheme's layers, and those of profiles that have a graph of their own.
    """

    name: str
    version: str
    bundle_digest: str
    release_index_digest: str
    model_digest: str
    reference: AccuracyProof
    variants: tuple[VariantResult, ...]
    refused: tuple[Refusal, ...]
    races: tuple[Race, ...]
    quantized: tuple[Quantized, ...]
    stages: tuple[Stage, ...]
    signed_by: tuple[str, ...]
    bundle_dir: Path
    ml_bom_path: Path
    provenance_path: Path
    attestations_path: Path


def compile_bundle(request: CompileRequest, *, progress: Progress | None = None) -> CompileResult:
    """Compile, prove, package and sign.

    The same request with the same toolchain gives the same ``bundle_digest``; the proofs are measured anew each time.
    An interrupted or failed compile leaves ``out_dir`` as it was.

    Raises:
        InvalidInputError, LimitExceededError, NotFoundError: an input is wrong; names file, key, expected and got.
        CompileError: a pass cannot handle the model; names the pass, and node and operator where there is one.
        ContractNotMetError: a variant misses the contract; says by how much.
        EngineError: a runtime is missing or fails.
        ConflictError: ``out_dir`` is taken.
        UnavailableError: the disk under ``out_dir`` is full or read-only.

    """
    recover(request.out_dir)
    check_destination(request.out_dir, force=request.force)
    state = Compilation(request=request, sources=load_sources(request))
    with _staging(request.out_dir):
        return _result(run_passes(state, progress or Silent()))


@contextmanager
def _staging(out_dir: Path) -> Iterator[None]:
    """A staging directory for the bundle, claimed before any work is done, and gone afterwards."""
    try:
        claim(out_dir)
        yield
    except OSError as error:
        if error.errno not in _DISK_FAULTS:
            raise
        raise UnavailableError(
            what=f"disk under {_fullest(out_dir.parent, Path(tempfile.gettempdir()))}",
            detail=error.strerror or str(error),
            advice="free some space, or choose another place: for the bundle, or (TMPDIR) for what tools work on",
        ) from error
    finally:
        shutil.rmtree(staging_dir(out_dir), ignore_errors=True)


def _fullest(*folders: Path) -> Path:
    """The folder with the least room: an error of a write does not say where it was."""
    return min(folders, key=lambda folder: shutil.disk_usage(folder).free)


def _result(state: Compilation) -> CompileResult:
    sources, refs = state.sources, need(state.refs, "bundle")
    return CompileResult(
        name=sources.contract.name,
        version=sources.contract.version,
        bundle_digest=refs.bundle_digest,
        release_index_digest=state.release_index_digest,
        model_digest=sources.model_digest,
        reference=need(state.reference, "reference").accuracy,
        variants=tuple(
            VariantResult(manifest=manifest(measured, sources), proof=proof)
            for measured, proof in zip(state.measured, state.proofs, strict=True)
        ),
        refused=state.refused,
        races=state.races,
        quantized=_quantized(state),
        stages=state.stages,
        signed_by=tuple(sorted(key.public.keyid for key in state.request.keys)),
        bundle_dir=state.request.out_dir,
        ml_bom_path=ml_bom_path(state.request.out_dir),
        provenance_path=provenance_path(state.request.out_dir),
        attestations_path=attestations_path(state.request.out_dir),
    )


def _quantized(state: Compilation) -> tuple[Quantized, ...]:
    """Every scheme's graph with the profiles that have it, then the graphs that profiles have of their own."""
    own = [one.quantized for one in state.lowered if one.quantized and one.quantized.judge]
    apart = {(one.scheme, name) for one in own for name in one.profiles}
    shared = [
        replace(one, profiles=tuple(name for name in one.profiles if (scheme, name) not in apart))
        for scheme, one in state.quantized.items()
    ]
    return (*(one for one in shared if one.profiles), *own)
