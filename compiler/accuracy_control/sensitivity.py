"""How much each layer harms the output by itself, measured on calibration samples.

Each layer in turn is the only one that is quantized, and the scored output is compared with the float graph's: its
signal to quantization noise in dB, the lower the worse. Noise of different layers adds up nearly independently (S. Dong
et al., "HAWQ-V2", 2020, arXiv:1911.03852, rank layers by such single perturbations as well), so one number per layer
orders them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from compiler.accuracy_control.task import NAME, Task
from compiler.accuracy_control.trial import Quantizer
from compiler.graph import Graph
from compiler.progress import Progress, shared_by
from compiler.quantization.evaluate import sqnr_db, values_of
from compiler.quantization.observed import Row
from compiler.quantized import Quantized

ROWS = 8
"""Calibration samples per layer: an order needs no precise figure, and every layer runs them all."""


def ranked(quantizer: Quantizer, first: Quantized, precision: str, task: Task, progress: Progress) -> Quantized:
    """``first``, and ``alone_db`` of every layer that it does not hold in float; measured once."""
    layers = [layer.name for layer in first.layers if layer.precision != "float" and not layer.kept]
    if all(layer.alone_db is not None for layer in first.layers if layer.name in layers):
        return first
    progress.start(f"{NAME} {shared_by(task.profiles)}: sensitivity", len(layers))
    dataset = task.reference.judge.dataset
    rows = task.rows or [dataset.row(index) for index in range(min(ROWS, dataset.samples))]
    found = harm(task.graph, quantizer, layers, precision, rows, task.contract.scored.name, progress)
    progress.done()
    measured = tuple(replace(layer, alone_db=found.get(layer.name, layer.alone_db)) for layer in first.layers)
    return replace(first, layers=measured)


def order_of(quantized: Quantized) -> list[str]:
    """The layers that may still be kept, the most harmful first."""
    may = [(layer.alone_db, layer.name) for layer in quantized.layers if layer.alone_db is not None and not layer.kept]
    return [name for _, name in sorted(may, key=lambda pair: pair[0])]


def harm(
    graph: Graph,
    quantizer: Quantizer,
    layers: Sequence[str],
    precision: str,
    rows: Sequence[Row],
    output: str,
    progress: Progress,
) -> Mapping[str, float]:
    """SQNR of ``output`` in dB by layer, each alone quantized and the others in ``precision``; the worst first."""
    chosen = rows[:ROWS]
    reference = values_of(graph.model, [output], chosen, fused=True)[output]
    everything = dict.fromkeys(quantizer.layers, precision)
    found = {}
    for layer in layers:
        alone = {name: kept for name, kept in everything.items() if name != layer}
        values = values_of(quantizer.quantize(alone).graph.model, [output], chosen, fused=True)[output]
        found[layer] = round(sqnr_db(reference, values), 2) + 0.0  # no -0.0
        progress.advance()
    return dict(sorted(found.items(), key=lambda pair: pair[1]))
