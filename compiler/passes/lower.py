"""Pass 7, lower: each profile gets its runtime's own files.

Requires: a fused graph; for a quantized profile the graph of its scheme.
Ensures:
    1. one artifact per profile that is not refused, in the request's order, whose entrypoint is among its files;
    2. no artifact is larger than its profile's ``limits.max_artifact_bytes``;
    3. the profile's runtime loads the artifact, where there is one (an operator that it cannot run is named here).
"""

from __future__ import annotations

from dataclasses import replace

from compiler.attempts import attempt, refuse, remaining
from compiler.batches import Batches, batch_sizes
from compiler.compilation import Compilation, Refusal
from compiler.graph import Graph
from compiler.measuring.variant_source import source_of_lowered
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from compiler.scheme import scheme_of
from compiler.targets.refused import refused
from compiler.targets.registry import target_of
from compiler.targets.target import Lowered, TargetJob
from edge_bundle.errors import (
    DeviceMissingError,
    EngineError,
    LimitExceededError,
    PlacementError,
    RuntimeMissingError,
    WrongTargetError,
)
from edge_runtime.factory import open_engine
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
    batches = batch_sizes(state.sources.contract, state.request)
    made: list[Lowered | Refusal] = []
    for profile in profiles:
        made.append(attempt(state, profile, NAME, lambda profile=profile: _lower(state, profile, batches)))  # type: ignore[misc]
        progress.advance()
    progress.done()
    state = refuse(state, [one for one in made if isinstance(one, Refusal)])
    return replace(state, lowered=tuple(one for one in made if isinstance(one, Lowered)))


def check(state: Compilation) -> None:
    """Rule 1; rules 2 and 3 raise while lowering."""
    ensure(tuple(v.profile for v in state.lowered) == remaining(state), stage=NAME, promise="one artifact per profile")
    for variant in state.lowered:
        ensure(variant.entrypoint in variant.files, stage=NAME, promise="the entrypoint is among the files")


def _lower(state: Compilation, profile: Profile, batches: Batches) -> Lowered:
    job = TargetJob(graph=_graph_for(state, profile), profile=profile, contract=state.sources.contract, batches=batches)
    variant = target_of(profile)(job)
    _check_size(variant)
    _try_load(state, variant)
    return variant


def _graph_for(state: Compilation, profile: Profile) -> Graph:
    return state.quantized[scheme_of(profile)].graph if profile.precision.quantized else state.current


def _check_size(variant: Lowered) -> None:
    size, limit = sum(map(len, variant.files.values())), variant.profile.limits.max_artifact_bytes
    if size > limit:
        raise LimitExceededError(
            what=f"artifact for profile {variant.profile.name}",
            limit=limit,
            got=size,
            unit="bytes",
            advice="use a smaller model or a lower precision, or leave the profile out",
        )


def _try_load(state: Compilation, variant: Lowered) -> None:
    source = variant.stand_in or source_of_lowered(variant, state.sources.contract)
    try:
        open_engine(source).close()
    except (RuntimeMissingError, DeviceMissingError, PlacementError, WrongTargetError):
        raise
    except EngineError as error:
        raise refused(variant.profile, error) from error
