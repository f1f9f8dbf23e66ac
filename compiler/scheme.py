"""How an int8 profile wants the graph quantized. Weights are always int8, symmetric, per output channel."""

from __future__ import annotations

from dataclasses import dataclass

from hardware_profiles.schema import Activations, Profile

RELAXED_BITS = 7
"""Relaxed SIMD multiplies signed bytes by 7 bits (``i16x8.relaxed_dot_i8x16_i7x16_s``)."""


@dataclass(frozen=True, order=True)
class Scheme:
    """One flavour of the quantized graph; profiles that agree on it share the graph.

    With ``bits`` of 7, stored activations (``uint8``) are 0 to 127, always.
    """

    activations: Activations
    bits: int = 8


def scheme_of(profile: Profile) -> Scheme:
    """The scheme of an int8 profile."""
    relaxed = profile.runtime == "wasm" and profile.options.get("relaxed-simd") == "on"
    relaxed = relaxed and profile.activations is Activations.UINT8
    return Scheme(profile.activations, RELAXED_BITS) if relaxed else Scheme(profile.activations)
