"""What a recipe is worth: outputs of the quantized graph against those of the float graph, on kept samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.graph import Graph
from compiler.importer.qdq_network import Network
from compiler.importer.qdq_write import write_qdq
from compiler.quantization.build import Builder
from compiler.quantization.evaluate import STAGE, Values, decibels, values_of
from compiler.quantization.observed import Observed
from compiler.quantization.operators import HEADS
from compiler.quantization.recipe import Recipe

TINY = 1e-300
"""Least that is divided by: where nothing is, nothing differs."""

SURE = 3.0
"""Standard errors by which a recipe has to be better: samples resemble each other, and several recipes are tried."""


@dataclass(frozen=True)
class Worth:
    """``shares`` [measured values, samples]: the noise of a sample by the power of the value over all samples."""

    shares: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean SQNR in dB over all that is measured; higher is better."""
        return float(np.mean([decibels(float(noise)) for noise in self.shares.sum(axis=1)]))

    def beats(self, other: Worth, gain_db: float) -> bool:
        """Whether this is better by more than ``gain_db``, and by more than ``SURE`` standard errors.

        The error is that of the difference of logarithms, to first order, over samples.
        """
        if self.mean <= other.mean + gain_db:
            return False
        ours, theirs = (one.shares / np.maximum(one.shares.sum(axis=1, keepdims=True), TINY) for one in (self, other))
        error_db = 10.0 / math.log(10.0) * math.sqrt(float(np.square((ours - theirs).mean(axis=0)).sum()))
        return self.mean - other.mean > SURE * error_db


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

    def worth(self, recipe: Recipe) -> Worth:
        """How near the outputs come to the float model's."""
        self._on_trial()
        written = write_qdq(self._graph.model, self._builder.plan(recipe), stage=STAGE, checked=False)
        names = [written.seen.get(name, name) for name in self._points]
        found = values_of(written.model, list(dict.fromkeys(names)), self._rows, fused=True)
        return Worth(np.stack([_noise(self._wanted[a], found[b]) for a, b in zip(self._points, names, strict=True)]))


def _noise(wanted: Sequence[NDArray[Any]], found: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Of every sample, by the power of all."""
    power = sum(float(np.square(one, dtype=np.float64).sum()) for one in wanted)
    noise = [float(np.square(np.subtract(a, b, dtype=np.float64)).sum()) for a, b in zip(wanted, found, strict=True)]
    return np.asarray(noise) / max(power, TINY)


def points(network: Network) -> tuple[str, ...]:
    """Float32 outputs, and inputs of heads that give one."""
    found = [name for name in network.outputs if network.is_activation(name)]
    heads = [op.inputs[0] for name in found if (op := network.makers.get(name)) is not None and op.op in HEADS]
    return tuple(dict.fromkeys([*found, *heads]))
