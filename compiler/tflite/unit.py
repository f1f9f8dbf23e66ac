"""An operator with what is computed in one go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from compiler.ir.graph import Node
from compiler.tflite.model import Quant
from compiler.tflite.qdq import QdqGraph

Bounds: TypeAlias = tuple[float, float]

OPEN: Bounds = (-np.inf, np.inf)
"""Bounds that bound nothing."""

FUSED: Mapping[Bounds, str] = {
    OPEN: "NONE",
    (0.0, np.inf): "RELU",
    (0.0, 6.0): "RELU6",
    (-1.0, 1.0): "RELU_N1_TO_1",
}
"""Bounds -> what TFLite calls the built-in activation (``ActivationFunctionType``)."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """``node`` with bounds of its result; ``quant`` is there if it is computed on integers.

    ``value`` is what the unit gives, ``last`` the node that gives it.
    """

    node: Node
    bounds: Bounds
    quant: Quant | None
    value: str
    last: Node


def bounds_of(graph: QdqGraph, node: Node) -> Bounds | None:
    """What a ``Relu`` or a ``Clip`` with known bounds clamps to."""
    if node.op == "Relu":
        return 0.0, np.inf
    if node.op != "Clip":
        return None
    found = []
    for index, absent in ((1, -np.inf), (2, np.inf)):
        array = graph.constant(node.input(index)) if node.input(index) else np.array(absent)
        if array is None or array.size != 1:
            return None
        found.append(float(array.reshape(-1)[0]))
    return found[0], found[1]
