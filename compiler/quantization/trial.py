"""What a recipe is worth: outputs of the quantized graph against those of the float graph, on kept samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.graph import Graph
from compiler.importer.qdq_network import Network
from compiler.importer.qdq_write import write_qdq
from compiler.quantization.build import Builder
from compiler.quantization.evaluate import STAGE, Values, decibels, noise_ratio, values_of
from compiler.quantization.layers import Layer
from compiler.quantization.observed import Observed
from compiler.quantization.operators import HEADS
from compiler.quantization.recipe import Recipe
from compiler.quantization.streams import SHAPES


@dataclass(frozen=True)
class Worth:
    """Mean SQNR in dB over all that is measured, on every other sample and on the rest; higher is better."""

    even: float
    odd: float

    @property
    def mean(self) -> float:
        """Of both halves."""
        return (self.even + self.odd) / 2.0

    def beats(self, other: Worth, gain_db: float) -> bool:
        """Whether this is better by more than ``gain_db``, and on neither half worse.

        What suits only some samples is chance, of which a search over many choices finds much.
        """
        return self.mean > other.mean + gain_db and self.even >= other.even and self.odd >= other.odd


class Trial:
    """One graph under one scheme, with the float graph's answers.

    Measured are the graph's outputs and, where one comes from a head (Softmax and the like), what goes into it: a
    probability hides errors of answers that are sure, and shows little but those of answers that are not.
    """

    def __init__(self, graph: Graph, builder: Builder, observed: Observed, on_trial: Callable[[], None]) -> None:
        self._on_trial = on_trial
        self._graph, self._builder, self._rows = graph, builder, observed.rows
        self._points = points(builder.network)
        self._wanted: Values = values_of(graph.model, self._points, self._rows, fused=True)
        self.count = 0

    def worth(self, recipe: Recipe) -> Worth:
        """How near the outputs come to the float model's."""
        self.count += 1
        self._on_trial()
        written = write_qdq(self._graph.model, self._builder.plan(recipe), stage=STAGE, checked=False)
        names = [written.seen.get(name, name) for name in self._points]
        found = values_of(written.model, list(dict.fromkeys(names)), self._rows, fused=True)
        halves = []
        for begin in (0, 1):
            pairs = ((self._wanted[a][begin::2], found[b][begin::2]) for a, b in zip(self._points, names, strict=True))
            halves.append(sum(decibels(noise_ratio(*pair)) for pair in pairs) / len(names))
        return Worth(*halves)

    def answer_shifts(self, recipe: Recipe) -> dict[str, NDArray[np.float64]]:
        """What the float model's answers are more, on average, by the layer that gives them and its channels."""
        written = write_qdq(self._graph.model, self._builder.plan(recipe), stage=STAGE, checked=False)
        givers = {point: layer for point in self._points if (layer := self._giver(point)) is not None}
        names = {point: written.seen.get(point, point) for point in givers}
        found = values_of(written.model, list(dict.fromkeys(names.values())), self._rows, fused=True)
        shifts: dict[str, NDArray[np.float64]] = {}
        for point, layer in givers.items():
            gaps = [
                np.subtract(a, b, dtype=np.float64).reshape(-1)
                for a, b in zip(self._wanted[point], found[names[point]], strict=True)
            ]
            if all(gap.size == layer.channels for gap in gaps):
                shifts[layer.name] = np.asarray(np.mean(gaps, axis=0), dtype=np.float64)
        return shifts

    def _giver(self, point: str) -> Layer | None:
        """The layer with a bias that gives a value, but for reshapes."""
        op = self._builder.network.makers.get(point)
        while op is not None and op.op in SHAPES:
            op = self._builder.network.makers.get(op.inputs[0])
        layer = self._builder.layers.get(op.name) if op is not None else None
        return layer if layer is not None and layer.bias else None


def points(network: Network) -> tuple[str, ...]:
    """Float32 outputs, and inputs of heads that give one."""
    found = [name for name in network.outputs if network.is_activation(name)]
    heads = [op.inputs[0] for name in found if (op := network.makers.get(name)) is not None and op.op in HEADS]
    return tuple(dict.fromkeys([*found, *heads]))
