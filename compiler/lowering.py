"""One graph becomes one profile's artifact, held against the profile's limits and loaded once."""

from __future__ import annotations

from dataclasses import replace

from compiler.batches import batch_sizes
from compiler.compilation import Compilation
from compiler.measuring.variant_source import source_of_lowered
from compiler.quantized import Quantized
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


def lower(state: Compilation, profile: Profile, quantized: Quantized | None) -> Lowered:
    """The artifact of a profile: of the quantized graph, or of the float graph where there is none.

    Raises:
        SkerryError: what ``Target`` raises, ``LimitExceededError`` for an artifact larger than the profile allows,
            ``CompileError`` where the runtime cannot load it.

    """
    graph = quantized.graph if quantized else state.current
    contract = state.sources.contract
    batches = batch_sizes(contract, state.request)
    job = TargetJob(graph=graph, profile=profile, contract=contract, batches=batches)
    variant = replace(target_of(profile)(job), quantized=quantized)
    _check_size(variant)
    _try_load(state, variant)
    return variant


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
