"""Which variant of a release takes the place of one that a node cannot run. Pure rules over the signed contract."""

from __future__ import annotations

from edge_agent.slots import InsteadOf
from edge_agent.texts import carried
from edge_agent.verify import Candidate
from edge_bundle.errors import NotFoundError, SkerryError

MAX_DETAIL_CHARS = 500
"""Text of a reason, as ``InsteadOf.detail`` bounds it."""


def next_profiles(candidate: Candidate, profile: str) -> list[str]:
    """Profiles to try after the candidate, in the contract's order: those that the release has a variant for."""
    chain = [profile, *(one for one in candidate.variant.contract.fallback.profiles if one != profile)]
    tried = candidate.variant.manifest.profile
    return [one for one in chain[chain.index(tried) + 1 :] if one in candidate.release.proofs]


def why_missing(candidate: Candidate, profile: str) -> InsteadOf | None:
    """The reason where the release has no variant for the node's profile; ``None`` where the candidate is that one."""
    if candidate.variant.manifest.profile == profile:
        return None
    release = candidate.release
    return because(profile, NotFoundError(what=f"variant of {release.name}:{release.version}", name=profile))


def because(profile: str, error: SkerryError) -> InsteadOf:
    """An error as the reason why another variant serves than that of the node's profile."""
    return InsteadOf(profile=profile, error=error.name, detail=carried(str(error), max_chars=MAX_DETAIL_CHARS))
