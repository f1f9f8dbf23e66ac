"""One profile's failure is its own: the others go on, unless the request is strict.

In a race a profile has failed when the last of its candidates has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from compiler.compilation import Compilation, Refusal
from edge_bundle.errors import SkerryError
from hardware_profiles.schema import Profile

T = TypeVar("T")


def attempt(state: Compilation, profile: Profile, stage: str, work: Callable[[], T]) -> T | Refusal:
    """What ``work`` gives, or why the profile is refused.

    Raises:
        SkerryError: what ``work`` raised, if the request is strict and the profile has no other candidate.

    """
    try:
        return work()
    except SkerryError as error:
        if state.request.strict and len(_candidates(state, profile.name)) == 1:
            _name(error, profile, stage)
            raise
        return Refusal(profile=profile, stage=stage, error=error)


def remaining(state: Compilation) -> tuple[Profile, ...]:
    """The candidates that no pass has refused yet, in the request's order."""
    refused = [refusal.profile for refusal in state.refused]
    return tuple(profile for profile in state.request.candidates if profile not in refused)


def refuse(state: Compilation, refusals: list[Refusal]) -> Compilation:
    """The state with more refusals.

    Raises:
        SkerryError: no profile is left, or one has no candidate left and the request is strict; the error of the
            first that was refused, with notes on the others.

    """
    state = replace(state, refused=(*state.refused, *refusals))
    left = {profile.name for profile in remaining(state)}
    lost = [refusal for refusal in state.refused if refusal.profile.name not in left]
    if lost and (state.request.strict or not left):
        first, *others = lost
        _name(first.error, first.profile, first.stage)
        for one in others:
            _name(first.error, one.profile, one.stage, f": {one.error} [{one.error.name}]")
        raise first.error
    return state


def _name(error: SkerryError, profile: Profile, stage: str, what: str = "") -> None:
    """Note on the error whom it refuses, but for names that it says itself."""
    if what or profile.name not in str(error):
        error.add_note(f"refused: {profile.name}, pass {stage}{what}")


def _candidates(state: Compilation, name: str) -> list[Profile]:
    return [profile for profile in state.request.candidates if profile.name == name]
