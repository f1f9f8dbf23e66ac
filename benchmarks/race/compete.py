"""One model: a race as ``skerry compile --race`` runs it, then everybody timed anew against what it chose."""

from __future__ import annotations

import random
import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.race.start import Start, time_start
from benchmarks.rounds import Ratio, ratio
from compiler.compilation import Compilation, Measured
from compiler.measuring.interleaved import race_inputs, time_in_turn
from compiler.measuring.race import Entrant, Times
from compiler.measuring.variant_source import source_of_lowered
from compiler.passes import prove, race
from compiler.pipeline import PASSES, run_passes
from compiler.progress import Silent
from compiler.request import CompileRequest
from compiler.sources import load_sources
from edge_bundle.keys import SigningKey
from edge_runtime.factory import open_engine
from hardware_profiles.schema import Profile


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A model's field: names in the profile's order, microseconds of each per round, and which one the race chose.

    ``refused`` are those that are no choice here: not installed, not convertible, or against the contract. ``start``
    is how long OpenVINO's variant takes to open.
    """

    model: str
    names: tuple[str, ...]
    times: tuple[Times, ...]
    chosen: int
    refused: dict[str, str]
    start: Start | None = None

    def p50_us(self, index: int) -> float:
        """The median time of one of the field."""
        return statistics.median(self.times[index])

    @property
    def best_other(self) -> int | None:
        """The fastest single runtime and precision but for the chosen one; ``None`` where it was alone."""
        others = [index for index in range(len(self.names)) if index != self.chosen]
        return min(others, key=self.p50_us, default=None)

    def chosen_over_best(self, rng: random.Random) -> Ratio:
        """The chosen one's time over the fastest other's, round by round; 1 where it was alone."""
        best = self.best_other
        if best is None:
            return Ratio(value=1.0, low=1.0, high=1.0)
        return ratio(self.times[best], self.times[self.chosen], rng)


def hold_contest(folder: Path, profile: Profile, work: Path, *, rounds: int) -> Contest:
    """Compile every candidate, let the race choose, then time all of them anew in engines opened anew.

    Raises what a compile raises where no candidate is left.
    """
    work.mkdir(parents=True, exist_ok=True)
    request = _request(folder, profile, work)
    state = Compilation(request=request, sources=load_sources(request))
    names = [step.name for step in PASSES]
    proven = run_passes(state, Silent(), PASSES[: names.index(prove.NAME) + 1])
    decided = race.run(proven, Silent())
    chosen = [one.lowered.profile for one in proven.measured].index(decided.measured[0].lowered.profile)
    return Contest(
        model=folder.name,
        names=tuple(_name(one.lowered.profile) for one in proven.measured),
        times=_times(proven, proven.measured, rounds),
        chosen=chosen,
        refused={_name(one): one.refusal for one in decided.races[0].field if one.refusal},
        start=time_start(proven.measured, state.sources.contract, work / "compiled"),
    )


def _times(state: Compilation, entrants: tuple[Measured, ...], rounds: int) -> tuple[Times, ...]:
    with ExitStack() as stack:
        sources = [source_of_lowered(one.lowered, state.sources.contract) for one in entrants]
        engines = [stack.enter_context(open_engine(source)) for source in sources]
        return tuple(time_in_turn(engines, race_inputs(state.sources.evaluation), rounds=rounds))


def _request(folder: Path, profile: Profile, work: Path) -> CompileRequest:
    (model,) = folder.glob("*.onnx")
    calibration = folder / "calibration.npz"
    return CompileRequest(
        model_path=model,
        contract_path=folder / "contract.toml",
        calibration_path=calibration if calibration.exists() else None,
        evaluation_path=folder / "evaluation.npz",
        profiles=(profile,),
        out_dir=work / "bundle",
        keys=(SigningKey.from_seed(bytes(32)),),  # a request needs one; nothing is signed here
        race=True,
    )


def _name(one: Profile | Entrant) -> str:
    return f"{one.runtime} {one.precision.value}"
