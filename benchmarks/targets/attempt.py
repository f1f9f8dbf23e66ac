"""One model for some profiles, by itself: ``python -m benchmarks.targets.attempt OUT FOLDER PROFILE...``.

FOLDER is as ``skerry compile`` takes it. The outcomes go to the file OUT as JSON, one a line: vendors' libraries write
to standard output as they like.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.targets.outcome import Outcome, compiled, refused
from compiler.compile import CompileResult, compile_bundle
from compiler.request import CompileRequest
from edge_bundle.errors import SkerryError
from edge_bundle.keys import SigningKey
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Profile
from skerry.model_file import find_model

KEY = SigningKey.from_seed(b"t" * 32)
"""Nobody trusts it: the bundles are thrown away."""

ANCHOR = load_profile("cpu-fp32")


def attempt(folder: Path, profiles: Sequence[Profile]) -> Iterator[Outcome]:
    """One outcome for each profile.

    A compile that is left without a single profile names one reason only. So a profile that takes every model goes
    along where there are several; should it be refused too, they are tried one by one.
    """
    name = folder.name
    anchored = [*profiles, *([] if len(profiles) == 1 or ANCHOR in profiles else [ANCHOR])]
    try:
        with tempfile.TemporaryDirectory(prefix="skerry-targets-") as out:
            result = compile_bundle(_request(folder, anchored, Path(out) / "bundle"))
    except SkerryError as error:
        if len(profiles) == 1:
            yield _refused(name, profiles[0], error)
            return
        for profile in profiles:
            yield from attempt(folder, [profile])
        return
    asked = {profile.name for profile in profiles}
    yield from (one for one in _outcomes(name, result) if one.profile in asked)


def _outcomes(name: str, result: CompileResult) -> Iterator[Outcome]:
    for variant in result.variants:
        yield compiled(name, variant)
    for refusal in result.refused:
        yield _refused(name, refusal.profile, refusal.error)


def _refused(name: str, profile: Profile, error: SkerryError) -> Outcome:
    return refused(name, profile.name, profile.runtime, profile.precision.value, error)


def _request(folder: Path, profiles: Sequence[Profile], out_dir: Path) -> CompileRequest:
    calibration = folder / "calibration.npz"
    return CompileRequest(
        model_path=find_model(folder),
        contract_path=folder / "contract.toml",
        calibration_path=calibration if calibration.exists() else None,
        evaluation_path=folder / "evaluation.npz",
        profiles=tuple(profiles),
        out_dir=out_dir,
        keys=(KEY,),
    )


def main(out: Path, folder: Path, names: Sequence[str]) -> None:
    """Write the outcomes."""
    with out.open("w", encoding="utf-8") as stream:
        for one in attempt(folder, [load_profile(name) for name in names]):
            stream.write(msgspec.json.encode(one).decode() + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
