"""What one calibration saw; it serves every scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.quantization.histogram import Distribution

LOCAL_ROWS = 256
"""Rows of a layer that an error within the layer is measured on."""

Row = Mapping[str, NDArray[Any]]
"""One sample as engine inputs."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Distributions by tensor name (inputs included), rows of layer inputs by layer name, and kept samples.

    ``patches[layer]`` is float32 [rows, groups, inputs per channel]. ``rows`` are samples to measure on, drawn from
    all in any order; ``samples`` counts all that were seen. ``graph_digest`` names the graph that ran.
    """

    graph_digest: str
    samples: int
    tensors: Mapping[str, Distribution] = field(repr=False)
    patches: Mapping[str, NDArray[np.float32]] = field(repr=False)
    rows: tuple[Row, ...] = field(repr=False)
    seed: int = 0

    def local_rows(self, layer: str) -> NDArray[np.float32]:
        """At most ``LOCAL_ROWS`` of a layer's rows, from all samples."""
        rows = self.patches[layer]
        return rows[:: -(-len(rows) // LOCAL_ROWS)]

    def range_of(self, name: str) -> tuple[float, float]:
        """Lowest and highest value seen of a tensor."""
        found = self.tensors[name]
        return found.low, found.high


def nothing_observed(graph_digest: str) -> Observed:
    """For schemes that quantize weights alone: no sample."""
    return Observed(graph_digest=graph_digest, samples=0, tensors={}, patches={}, rows=())
