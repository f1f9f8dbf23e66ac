"""The toolkit's table of layers, from its log: where each of them runs. Pure.

D RKNN: [09:51:42.249] ID   OpType       DataType Target InputShape ... FullName
D RKNN: [09:51:42.249] 14   exSoftmax13  FLOAT16  NPU    (1,12,1,1) ... exSoftmax13:output
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_bundle.proof import MAX_LISTED, PlacementProof

_TITLE = "Network Layer Information Table"

_EDGES = frozenset({"InputOperator", "OutputOperator"})
"""Rows for the model's inputs and outputs; no work is done there."""

_ROW = re.compile(
    r"^D RKNN: \[[^\]]*\] (?P<number>\d+) +(?P<operator>\S+) +(?P<dtype>\S+) +(?P<place>NPU|CPU|GPU) .*"
    r" (?P<name>\S+) *$",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class PlacedLayer:
    """One row: ``place`` is ``NPU``, ``CPU`` or ``GPU``; ``name`` is ``OPERATOR:node`` of the toolkit's own graph."""

    operator: str
    name: str
    dtype: str
    place: str


def read_layers(log: str) -> tuple[PlacedLayer, ...]:
    """All layers but the model's edges; the last table counts.

    Raises:
        ValueError: there is no table, or rows of it are missing.

    """
    start = log.rfind(_TITLE)
    rows = list(_ROW.finditer(log, start)) if start >= 0 else []
    if not rows or [int(row["number"]) for row in rows] != list(range(len(rows))):
        raise ValueError(f"expected a whole table of layers, got {len(rows)} rows of one")
    return tuple(
        PlacedLayer(operator=row["operator"], name=row["name"], dtype=row["dtype"], place=row["place"])
        for row in rows
        if row["operator"] not in _EDGES
    )


def placement(device: str, layers: tuple[PlacedLayer, ...]) -> PlacementProof:
    """Where the layers run."""
    elsewhere = [layer for layer in layers if layer.place != "NPU"]
    return PlacementProof(
        device=device,
        nodes=len(layers),
        on_device=len(layers) - len(elsewhere),
        elsewhere=tuple(f"{layer.operator} {layer.name}" for layer in elsewhere[:MAX_LISTED]),
    )
