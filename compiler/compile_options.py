"""Options of a profile that decide how a variant is compiled: its engine never sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_bundle.errors import InvalidInputError
from hardware_profiles.schema import Profile

COMPILE_OPTIONS: Mapping[str, Mapping[str, Sequence[str]]] = {"wasm": {"winograd": ("on", "off")}}
"""Runtime -> option -> its values, the default first. All other options belong to the runtime's engine.

``winograd``: float 3x3 convolutions by F(4x4, 3x3) where that is faster (docs/adr/0017-winograd-by-default.md).
"""


def compile_options(profile: Profile) -> dict[str, str]:
    """Every option of the profile's runtime with its value. Raises ``InvalidInputError`` for an unknown value."""
    known = COMPILE_OPTIONS.get(profile.runtime, {})
    chosen = {name: profile.options.get(name, values[0]) for name, values in known.items()}
    for name, value in chosen.items():
        if value not in known[name]:
            raise InvalidInputError(
                file=f"profile {profile.name}",
                key=f"options.{name}",
                expected=f"one of {', '.join(known[name])}",
                got=repr(value),
            )
    return chosen


def engine_options(profile: Profile) -> dict[str, str]:
    """The options that go into the manifest and to the engine."""
    known = COMPILE_OPTIONS.get(profile.runtime, {})
    return {name: value for name, value in profile.options.items() if name not in known}
