"""Pass 10, race: of every profile's measured candidates the fastest stays.

Requires: measured candidates, all of which keep the contract.
Ensures:
    1. one variant per profile name, in the request's order;
    2. the whole field is on record: the time of every candidate, or why it was refused;
    3. where this machine is of another kind than the profile's device, the first that keeps the contract stays: who is
       faster here says nothing of who is faster there;
    4. nothing changes without ``--race``.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from compiler.compilation import Compilation, Measured, Refusal
from compiler.measuring.interleaved import race_inputs, time_in_turn
from compiler.measuring.race import FINAL_ROUNDS, SCREEN_ROUNDS, Entrant, Race, Times, ratio, still_running, winner
from compiler.measuring.variant_source import source_of_lowered
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from edge_runtime.factory import open_engine
from hardware_profiles.detect import detect
from hardware_profiles.ranking import other_kind
from hardware_profiles.schema import Profile

NAME = "race"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Time every profile's candidates in turn and keep the winner; raises ``EngineError`` if one fails on the way."""
    if not state.request.race:
        return state
    races, kept = [], []
    for name in dict.fromkeys(measured.lowered.profile.name for measured in state.measured):
        entrants = [one for one in state.measured if one.lowered.profile.name == name]
        times = _time(state, entrants, progress)
        won = winner(times)
        kept.append(entrants[won])
        races.append(Race(profile=name, field=_field(state, entrants, times, won)))
    names = {race.profile for race in races}
    left = tuple(refusal for refusal in state.refused if refusal.profile.name not in names)
    return replace(state, measured=tuple(kept), races=tuple(races), refused=left)


def check(state: Compilation) -> None:
    """Rules 1 and 2."""
    names = [measured.lowered.profile.name for measured in state.measured]
    ensure(len(set(names)) == len(names), stage=NAME, promise="one variant per profile")
    if state.request.race:
        ensure([race.profile for race in state.races] == names, stage=NAME, promise="one race per variant")


def _time(state: Compilation, entrants: Sequence[Measured], progress: Progress) -> list[Times]:
    """Times per round; those who cannot win after the first rounds have no more than these.

    Rule 3, and what only an emulator runs: not timed, so that the first of the profile's order stays.
    """
    stranger = any(other_kind(entrants[0].lowered.profile, detect()))
    if stranger or not all(one.latency for one in entrants):
        return [() for _ in entrants]
    progress.start(f"{NAME} {entrants[0].lowered.profile.name}", SCREEN_ROUNDS + FINAL_ROUNDS)
    inputs = race_inputs(state.sources.evaluation)
    with ExitStack() as stack:
        sources = [source_of_lowered(one.lowered, state.sources.contract) for one in entrants]
        engines = [stack.enter_context(open_engine(source)) for source in sources]
        times = time_in_turn(engines, inputs, rounds=SCREEN_ROUNDS, on_round=progress.advance)
        running = still_running(times)
        if len(running) > 1:
            last = [engines[index] for index in running]
            final = time_in_turn(last, inputs, rounds=FINAL_ROUNDS, on_round=progress.advance)
            for index, taken in zip(running, final, strict=True):
                times[index] += taken
    progress.done()
    return times


def _field(state: Compilation, entrants: Sequence[Measured], times: Sequence[Times], won: int) -> tuple[Entrant, ...]:
    """Every candidate in the profile's order: measured, or refused by an earlier pass."""
    profiles = [one.lowered.profile for one in entrants]
    field = []
    for candidate in state.request.candidates:
        if candidate in profiles:
            index = profiles.index(candidate)
            field.append(_entrant(candidate, times[index], times[won], won=index == won))
        elif candidate.name == profiles[won].name:
            field.append(_refused(next(one for one in state.refused if one.profile == candidate)))
    return tuple(field)


def _entrant(profile: Profile, times: Times, best: Times, *, won: bool) -> Entrant:
    return Entrant(
        runtime=profile.runtime,
        precision=profile.precision,
        p50_us=statistics.median(times) if times else None,
        behind=ratio(times, best) if times else None,
        won=won,
    )


def _refused(refusal: Refusal) -> Entrant:
    profile, error = refusal.profile, refusal.error
    why = f"{error.name}: {error}"
    return Entrant(runtime=profile.runtime, precision=profile.precision, refusal=why)
