"""What accuracy control is asked for, and what it may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.compilation import Reference
from compiler.graph import Graph
from compiler.quantization.observed import Row
from compiler.scheme import Scheme
from edge_bundle.contract import Contract
from hardware_profiles.schema import Activations, Fallback

NAME = "accuracy control"

_WIDE = frozenset({Activations.UINT16, Activations.INT16})


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is quantized and what it must keep.

    ``profiles`` are named in errors; ``rows`` are calibration samples (none: sensitivity takes evaluation samples).
    ``judge`` names whose arithmetic decides, where that is not ONNX Runtime's.
    """

    graph: Graph
    scheme: Scheme
    rows: Sequence[Row]
    contract: Contract
    reference: Reference
    profiles: tuple[str, ...]
    judge: str = ""


def fallback_of(scheme: Scheme) -> str | None:
    """What layers go back to; ``None`` where the device has nothing better than the scheme."""
    if scheme.activations is None:
        return Fallback.FLOAT.value if scheme.fallback is Fallback.FLOAT else None
    if scheme.fallback is Fallback.NONE or (scheme.fallback is Fallback.INT16 and scheme.activations in _WIDE):
        return None
    return scheme.fallback.value


def most_kept(layers: int, precision: str) -> int:
    """How many layers may go back: a graph of floats alone is no quantized variant, one of 16 bits still is."""
    return layers - (precision == Fallback.FLOAT)
