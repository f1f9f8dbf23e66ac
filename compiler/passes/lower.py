"""Pass 7, lower: each profile gets its runtime's own files.

Requires: a fused graph; for a quantized profile the graph of its scheme.
Ensures:
    1. one artifact per profile that is not refused, in the request's order, whose entrypoint is among its files;
    2. no artifact is larger than its profile's ``limits.max_artifact_bytes``;
    3. the profile's runtime loads the artifact, where there is one (an operator that it cannot run is named here).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from compiler import lowering
from compiler.attempts import attempt, refuse, remaining
from compiler.compilation import Compilation, Refusal
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from compiler.quantized import Quantized
from compiler.scheme import scheme_of
from compiler.targets.target import Lowered
from hardware_profiles.schema import Profile

NAME = "lower"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Make every profile's artifact and load it once; what a target cannot do refuses its profile.

    Raises:
        SkerryError: no profile is left, or the request is strict: what ``Target`` raises, ``LimitExceededError`` for
            an artifact larger than the profile allows, ``CompileError`` where the runtime cannot load it.

    """
    profiles = remaining(state)
    progress.start(NAME, len(profiles))
    made: list[Lowered | Refusal] = []
    for profile in profiles:
        work = partial(lowering.lower, state, profile, _quantized_for(state, profile))
        made.append(attempt(state, profile, NAME, work))
        progress.advance()
    progress.done()
    state = refuse(state, [one for one in made if isinstance(one, Refusal)])
    return replace(state, lowered=tuple(one for one in made if isinstance(one, Lowered)))


def check(state: Compilation) -> None:
    """Rule 1; rules 2 and 3 raise while lowering."""
    ensure(tuple(v.profile for v in state.lowered) == remaining(state), stage=NAME, promise="one artifact per profile")
    for variant in state.lowered:
        ensure(variant.entrypoint in variant.files, stage=NAME, promise="the entrypoint is among the files")


def _quantized_for(state: Compilation, profile: Profile) -> Quantized | None:
    return state.quantized[scheme_of(profile)] if profile.precision.quantized else None
