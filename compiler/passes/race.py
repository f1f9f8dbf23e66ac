"""Pass 9, race: of every profile's measured candidates the fastest stays.

Requires: measured candidates, all of which keep the contract.
Ensures:
    1. one variant per profile name, in the request's order;
    2. nothing changes without ``--race``.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.compilation import Compilation, Measured
from compiler.passes.ensures import ensure
from compiler.progress import Progress

NAME = "race"


def run(state: Compilation, _progress: Progress) -> Compilation:
    """Keep the fastest candidate of each profile."""
    if not state.request.race:
        return state
    best: dict[str, Measured] = {}
    for measured in state.measured:
        name = measured.lowered.profile.name
        if name not in best or _p50_us(measured) < _p50_us(best[name]):
            best[name] = measured
    return replace(state, measured=tuple(best.values()))


def check(state: Compilation) -> None:
    """Rule 1."""
    names = [measured.lowered.profile.name for measured in state.measured]
    ensure(len(set(names)) == len(names), stage=NAME, promise="one variant per profile")


def _p50_us(measured: Measured) -> float:
    return measured.latency.p50_us if measured.latency else float("inf")
