"""The port through which a compile tells how far it is. The compiler prints nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hardware_profiles.schema import Profile


class Progress(Protocol):
    """Draws (or ignores) the course of a compile; stages follow each other and never nest."""

    def start(self, stage: str, total: int) -> None:
        """A stage begins; ``total`` is its number of steps, 0 when unknown."""

    def advance(self, steps: int = 1) -> None:
        """So many more steps of the stage are done."""

    def done(self) -> None:
        """The stage is over."""


def shared_by(profiles: Sequence[str]) -> str:
    """``cpu-int8``, ``cpu-int8 and 2 more``: whom a stage is for, short enough for a line."""
    first, *more = dict.fromkeys(profiles)
    return f"{first} and {len(more)} more" if more else first


def candidate(profile: Profile, *, race: bool) -> str:
    """Whom a stage is for: the profile, and in a race which of its candidates."""
    return f"{profile.name} as {profile.runtime} {profile.precision.value}" if race else profile.name


class Silent:
    """A ``Progress`` that shows nothing."""

    def start(self, stage: str, total: int) -> None:
        """Ignored."""

    def advance(self, steps: int = 1) -> None:
        """Ignored."""

    def done(self) -> None:
        """Ignored."""
