"""The calibration run: samples stream through the float graph once, and only bounded summaries stay.

Samples run one at a time, unoptimised, on one thread: the result does not depend on the machine's core count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.graph import Graph
from compiler.importer import onnx_rewrite
from compiler.importer.qdq_network import Network
from compiler.importer.qdq_read import read_network
from compiler.ort_rewrite import ORT_FAULTS, onnxruntime, open_session, refused, session_options
from compiler.quantization.histogram import Histogram
from compiler.quantization.layers import Layer, layers_of
from compiler.quantization.observed import Observed, Row
from compiler.quantization.patches import Patches
from edge_bundle.errors import InvalidInputError

STAGE = "calibrate"

MAX_KEPT_ROWS = 128
"""Most samples kept to measure on. Drawn and ordered by the seed: in a set, kinds may take turns."""

MAX_MAGNITUDE = 2.0**126
"""Largest value of a tensor: its doubled range is still a float32."""

MAX_KEPT_BYTES = 64 << 20
"""Most bytes of kept samples."""


def observe(graph: Graph, rows: Sequence[Row], *, seed: int = 0, stage: str = STAGE) -> Observed:
    """Run the samples and sum up every float32 activation, inputs included.

    Raises:
        CompileError: ONNX Runtime refuses the model.
        InvalidInputError: a tensor becomes infinite or NaN on a sample.

    """
    watch = Observer(graph, len(rows), seed=seed, stage=stage)
    for row in rows:
        watch.add(row)
    return watch.result()


class Observer:
    """A calibration under way; ``samples`` are announced, as rows are taken evenly from all."""

    def __init__(self, graph: Graph, samples: int, *, seed: int = 0, stage: str = STAGE) -> None:
        self._network = read_network(graph.model, stage=stage)
        model, self._names = onnx_rewrite.expose_activations(graph.model, stage=stage)
        options = session_options()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = open_session(model, options, stage=stage)
        self._digest, self._stage, self._seed, self._samples = graph.digest, stage, seed, samples
        self._histograms: dict[str, Histogram] = {}
        self._layers = {name: layer for name, layer in layers_of(self._network).items() if layer.linear}
        self._patches = {name: _patches(self._network, layer, samples) for name, layer in self._layers.items()}
        self._places = np.random.PCG64(seed)
        self._kept: dict[int, Row] = {}
        self._order: dict[int, int] | None = None
        self._seen = 0

    def add(self, row: Row) -> None:
        """Run one sample."""
        try:
            values = dict(zip(self._names, self._session.run(list(self._names), row), strict=True))
        except ORT_FAULTS as error:
            raise refused(error, stage=self._stage) from error
        for name, value in (*row.items(), *values.items()):
            if self._network.is_activation(name):
                self._count(name, value)
        for name, layer in self._layers.items():
            value = values.get(layer.node.inputs[0], row.get(layer.node.inputs[0]))
            if value is not None:
                kernel = self._network.shapes[layer.weight][2:]
                self._patches[name].add(value, kernel, self._places)
        self._keep(row)
        self._seen += 1

    def result(self) -> Observed:
        """All that was seen."""
        return Observed(
            graph_digest=self._digest,
            samples=self._seen,
            tensors={name: histogram.result() for name, histogram in sorted(self._histograms.items())},
            patches={name: rows for name, patches in self._patches.items() if len(rows := patches.result())},
            rows=tuple(self._kept[rank] for rank in sorted(self._kept)),
            seed=self._seed,
        )

    def _count(self, name: str, value: NDArray[Any]) -> None:
        low, high = float(value.min(initial=0.0)), float(value.max(initial=0.0))
        if not (low >= -MAX_MAGNITUDE and high <= MAX_MAGNITUDE):  # not, so that NaN is caught
            raise InvalidInputError(
                file="calibration",
                key=name,
                expected="finite values in every tensor of the model on every calibration sample",
                got=f"infinite values or NaN on sample {self._seen} (lowest {low:g}, highest {high:g})",
                advice="clean the calibration set, or compile this model for fp32 profiles only",
            )
        self._histograms.setdefault(name, Histogram()).add(value)

    def _keep(self, row: Row) -> None:
        if self._order is None:
            size = sum(value.nbytes for value in row.values())
            most = max(1, min(MAX_KEPT_ROWS, MAX_KEPT_BYTES // max(1, size)))
            keys = np.asarray(np.random.PCG64(self._seed).random_raw(max(1, self._samples)))
            self._order = {int(at): rank for rank, at in enumerate(np.argsort(keys, kind="stable")[:most])}
        if self._seen in self._order:
            self._kept[self._order[self._seen]] = dict(row)


def _patches(network: Network, layer: Layer, samples: int) -> Patches:
    shape = network.shapes[layer.weight]
    return Patches(layer, layer.groups * math.prod(shape) // max(1, layer.channels), samples)
