"""A runtime's complaint about a model, as an error that names the profile."""

from __future__ import annotations

from edge_bundle.errors import CompileError
from edge_runtime.one_line import one_line
from hardware_profiles.schema import Profile


def refused(profile: Profile, error: Exception) -> CompileError:
    """The error to raise from ``error``."""
    return CompileError(
        stage="lower",
        detail=f"profile {profile.name} cannot run the model: {one_line(error)}",
        advice=f"leave profile {profile.name} out, or export the model with operators that {profile.runtime} supports",
    )
