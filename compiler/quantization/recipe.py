"""What the search decides about a graph under one scheme; placement and this give the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_plan import Weights

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """``ranges`` and ``methods`` by stored value, ``weights`` and float ``biases`` by layer (others: as they are).

    ``whole`` ranges hold all that was seen: 16 bits have no need to clip.
    """

    ranges: Mapping[str, Range]
    methods: Mapping[str, str]
    whole: Mapping[str, Range] = field(default_factory=dict)
    weights: Mapping[str, Weights] = field(default_factory=dict)
    biases: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
