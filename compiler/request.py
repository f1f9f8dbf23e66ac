"""What a compile is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from edge_bundle.keys import SigningKey
from hardware_profiles.contenders import contenders
from hardware_profiles.schema import Profile

Clock: TypeAlias = Callable[[], float]
"""Gives Unix seconds."""

MIN_LATENCY_RUNS = 200
"""Fewest timed runs behind a latency proof: p99 of fewer rests on less than two samples."""


@dataclass(frozen=True, kw_only=True)
class CompileRequest:
    """Inputs of one compile.

    ``calibration_path`` is needed by int8 profiles only. ``keys`` sign provenance and proofs. ``seed`` picks the
    calibration samples when the set is larger than needed. ``batches`` are sizes that get code of their own where code
    has static shapes (none: a choice by the contract); ``dims`` binds symbolic dimensions of the model. ``force``
    replaces a different bundle at ``out_dir``. ``strict`` lets the first profile that fails end the compile; otherwise
    it is refused by name and the others go on. ``race`` measures every runtime and precision that a profile allows.
    ``clock`` gives Unix seconds and stamps the proofs; nothing else in a
    compile looks at a clock or at randomness.
    """

    model_path: Path
    contract_path: Path
    calibration_path: Path | None
    evaluation_path: Path
    profiles: tuple[Profile, ...]
    out_dir: Path
    keys: tuple[SigningKey, ...] = field(repr=False)
    seed: int = 0
    git_commit: str = ""
    force: bool = False
    strict: bool = False
    race: bool = False
    batches: tuple[int, ...] = ()
    dims: Mapping[str, int] = field(default_factory=dict)
    latency_runs: int = MIN_LATENCY_RUNS
    clock: Clock = time.time

    @property
    def candidates(self) -> tuple[Profile, ...]:
        """What gets compiled: every profile, and in a race once more for each runtime and precision it allows.

        Without a calibration set a race is between those that need none, where there are any.
        """
        if not self.race:
            return self.profiles
        return tuple(one for profile in self.profiles for one in self._field(profile))

    def _field(self, profile: Profile) -> tuple[Profile, ...]:
        everyone = (profile, *contenders(profile))
        if self.calibration_path is not None:
            return everyone
        return tuple(one for one in everyone if not one.precision.calibrated) or everyone
