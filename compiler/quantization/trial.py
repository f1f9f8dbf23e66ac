"""What a recipe is worth: outputs of the quantized graph against those of the float graph, on kept samples."""

from __future__ import annotations

from compiler.graph import Graph
from compiler.importer.qdq_network import Network
from compiler.importer.qdq_write import write_qdq
from compiler.quantization.build import Builder
from compiler.quantization.evaluate import STAGE, Values, decibels, noise_ratio, values_of
from compiler.quantization.observed import Observed
from compiler.quantization.operators import HEADS
from compiler.quantization.recipe import Recipe


class Trial:
    """One graph under one scheme, with the float graph's answers.

    Measured are the graph's outputs and, where one comes from a head (Softmax and the like), what goes into it: a
    probability hides errors of answers that are sure, and shows little but those of answers that are not.
    """

    def __init__(self, graph: Graph, builder: Builder, observed: Observed) -> None:
        self._graph, self._builder, self._rows = graph, builder, observed.rows
        self._points = points(builder.network)
        self._wanted: Values = values_of(graph.model, self._points, self._rows, fused=True)
        self.count = 0

    def decibels(self, recipe: Recipe) -> float:
        """Mean SQNR over all that is measured, in dB; higher is better."""
        self.count += 1
        written = write_qdq(self._graph.model, self._builder.plan(recipe), stage=STAGE, checked=False)
        names = [written.seen.get(name, name) for name in self._points]
        found = values_of(written.model, list(dict.fromkeys(names)), self._rows, fused=True)
        pairs = zip(self._points, names, strict=True)
        return sum(decibels(noise_ratio(self._wanted[a], found[b])) for a, b in pairs) / len(names)


def points(network: Network) -> tuple[str, ...]:
    """Float32 outputs, and inputs of heads that give one."""
    found = [name for name in network.outputs if network.is_activation(name)]
    heads = [op.inputs[0] for name in found if (op := network.makers.get(name)) is not None and op.op in HEADS]
    return tuple(dict.fromkeys([*found, *heads]))
