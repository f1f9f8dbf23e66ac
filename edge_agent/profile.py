"""Which hardware profile this node runs."""

from __future__ import annotations

from edge_agent.config import AUTO_PROFILE
from edge_bundle.errors import NotFoundError
from hardware_profiles.loader import load_profile, load_profiles
from hardware_profiles.machine import Machine
from hardware_profiles.ranking import rank
from hardware_profiles.schema import Profile


def choose_profile(name: str, machine: Machine) -> Profile:
    """The named profile, or for ``auto`` the best that fits this machine; ``NotFoundError`` says why none does."""
    if name != AUTO_PROFILE:
        return load_profile(name)
    matches = rank(load_profiles(), machine)
    best = next((match.profile for match in matches if match.fits), None)
    if best is None:
        why = "; ".join(f"{match.profile.name}: {', '.join(match.reasons)}" for match in matches)
        raise NotFoundError(what="fitting hardware profile for machine", name=machine.cpu, advice=why)
    return best
