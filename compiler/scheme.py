"""How a profile wants the graph quantized. Weights are symmetric, per output channel."""

from __future__ import annotations

from dataclasses import dataclass

from edge_bundle.manifest import Precision
from hardware_profiles.schema import Activations, Fallback, Profile

RELAXED_BITS = 7
"""Relaxed SIMD multiplies signed bytes by 7 bits (``i16x8.relaxed_dot_i8x16_i7x16_s``)."""

_WEIGHT_BITS = {Precision.INT8: 8, Precision.A16W8: 8, Precision.W8: 8, Precision.W4: 4}


@dataclass(frozen=True, order=True)
class Scheme:
    """One flavour of the quantized graph; profiles that agree on it share the graph.

    With ``bits`` of 7, stored activations (``uint8``) are 0 to 127, always. Without ``activations`` only weights are
    quantized, to ``weight_bits`` (8 or 4). ``fallback`` is what layers go back to where the contract asks for it.
    """

    activations: Activations | None
    bits: int = 8
    weight_bits: int = 8
    fallback: Fallback = Fallback.FLOAT

    def __str__(self) -> str:
        """``uint8 x int8``, ``uint8 (7 bits) x int8``, ``float x int4``."""
        held = self.activations.value if self.activations else "float"
        held += f" ({self.bits} bits)" if self.bits == RELAXED_BITS else ""
        return f"{held} x int{self.weight_bits}"


def scheme_of(profile: Profile) -> Scheme:
    """The scheme of a quantized profile."""
    if not profile.precision.calibrated:
        return Scheme(None, weight_bits=_WEIGHT_BITS[profile.precision], fallback=profile.fallback)
    relaxed = profile.runtime == "wasm" and profile.options.get("relaxed-simd") == "on"
    relaxed = relaxed and profile.activations is Activations.UINT8
    return Scheme(profile.activations, RELAXED_BITS if relaxed else 8, fallback=profile.fallback)
