"""How an int8 profile wants the graph quantized. Weights are always int8, symmetric, per output channel."""

from __future__ import annotations

from dataclasses import dataclass

from hardware_profiles.schema import Activations, Profile


@dataclass(frozen=True, order=True)
class Scheme:
    """One flavour of the quantized graph; profiles that agree on it share the graph."""

    activations: Activations


def scheme_of(profile: Profile) -> Scheme:
    """The scheme of an int8 profile."""
    return Scheme(profile.activations)
