"""One mix of precisions, held against the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from compiler.quantized import Quantized
from edge_bundle.proof import AccuracyProof


class Quantizer(Protocol):
    """One graph under one scheme, quantized as often as asked."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of all layers, in topological order."""

    def quantize(self, keep: Mapping[str, str]) -> Quantized:
        """The graph with some layers kept in another precision."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A mix that was tried: ``kept`` layers are not quantized; ``shortfall`` above 0 misses the contract by so much.

    Without its graph: tens of them would fill the memory.
    """

    kept: frozenset[str]
    accuracy: AccuracyProof
    shortfall: float

    @property
    def holds(self) -> bool:
        """Whether the contract is kept."""
        return self.shortfall <= 0.0


Try: TypeAlias = Callable[[frozenset[str]], Trial]
"""Quantizes with these layers kept, runs the evaluation set, and compares with the contract."""

Run: TypeAlias = Callable[[Quantized], AccuracyProof | None]
"""Compiles a graph for a device and runs the evaluation set there; ``None`` where the device's tools refuse it."""
