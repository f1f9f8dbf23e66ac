"""The other runtimes and precisions that a profile allows."""

from __future__ import annotations

import msgspec

from hardware_profiles.schema import Profile


def contenders(profile: Profile) -> tuple[Profile, ...]:
    """The profile once for each candidate of its ``race``, under the same name; itself left out."""
    found = (
        msgspec.structs.replace(
            profile,
            runtime=one.runtime,
            precision=one.precision,
            activations=one.activations,
            options=one.options,
        )
        for one in profile.race
    )
    return tuple(one for one in found if one != profile)
