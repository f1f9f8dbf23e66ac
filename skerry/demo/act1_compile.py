"""Act 1: one ONNX model becomes one measured variant per hardware profile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compiler.compile import CompileResult, compile_bundle
from compiler.metrics.text import counted_text
from compiler.promises import shortfall
from compiler.request import CompileRequest
from edge_bundle.contract import Contract
from edge_bundle.errors import DeviceMissingError
from edge_bundle.keys import SigningKey
from hardware_profiles.loader import load_profile
from skerry.demo.claims import Claim, holds
from skerry.demo.workplace import OWNERS, PROFILES, STRANGER, Workplace
from skerry.git_commit import commit_of
from skerry.model_file import find_model

ACT = 1
CALIBRATION = "calibration.npz"
MIN_PROFILES, MIN_RUNTIMES = 7, 4


def make_keys(place: Workplace) -> None:
    """Keys of the two owners, and of somebody else."""
    place.keys_dir.mkdir(parents=True, exist_ok=True)
    for name in (*OWNERS, STRANGER):
        key = SigningKey.generate()
        key.save(place.keys_dir / f"{name}.key")
        key.public.save(place.public_key_file(name))


def compile_request(
    place: Workplace,
    out_dir: Path,
    *,
    signers: tuple[str, ...] = OWNERS,
    example: Path | None = None,
    profiles: Sequence[str] = PROFILES,
) -> CompileRequest:
    """How the demo compiles its example, or another folder like it; int8 needs a calibration set in the folder."""
    example = example or place.example
    calibration = example / CALIBRATION
    return CompileRequest(
        model_path=find_model(example),
        contract_path=example / "contract.toml",
        calibration_path=calibration if calibration.is_file() else None,
        evaluation_path=example / "evaluation.npz",
        profiles=tuple(load_profile(name) for name in profiles),
        out_dir=out_dir,
        keys=place.signing_keys(*signers),
        git_commit=commit_of(example),
    )


def compile_example(place: Workplace) -> CompileResult:
    """Compile, measure, pack and sign."""
    return compile_bundle(compile_request(place, place.root / "bundle"), progress=place.bars)


def judge(result: CompileResult, contract: Contract) -> list[Claim]:
    """Every variant keeps the contract, there are enough of them, and a profile without one says why."""
    claims = [
        holds(
            ACT, f"{variant.proof.profile}: accuracy keeps the contract",
            shortfall(contract, variant.proof.accuracy, result.reference) <= 0.0,
            counted_text(variant.proof.accuracy),
            expected=f"what contract.toml asks for, against {counted_text(result.reference)} in float",
        )
        for variant in result.variants
    ]  # fmt: skip
    runtimes = {variant.manifest.runtime for variant in result.variants}
    enough = len(result.variants) >= MIN_PROFILES and len(runtimes) >= MIN_RUNTIMES
    found = f"{len(result.variants)} profiles on {len(runtimes)} runtimes"
    expected = f"at least {MIN_PROFILES} profiles on {MIN_RUNTIMES} runtimes"
    claims += [
        holds(
            ACT, f"{refusal.profile.name}: no such device here, refused by name, the others go on",
            isinstance(refusal.error, DeviceMissingError), f"{refusal.error.name} in pass {refusal.stage}",
            expected=DeviceMissingError.__name__,
        )
        for refusal in result.refused
    ]  # fmt: skip
    return [*claims, holds(ACT, "profiles compiled for", enough, found, expected=expected)]
