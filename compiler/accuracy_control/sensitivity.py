"""How much each layer harms the output by itself, measured on calibration samples.

Each layer in turn is the only one that is quantized, and the scored output is compared with the float graph's: its
signal to quantization noise in dB, the lower the worse. Noise of different layers adds up nearly independently (S. Dong
et al., "HAWQ-V2", 2020, arXiv:1911.03852, rank layers by such single perturbations as well), so one number per layer
orders them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compiler.accuracy_control.trial import Quantizer
from compiler.graph import Graph
from compiler.progress import Progress
from compiler.quantization.evaluate import sqnr_db, values_of
from compiler.quantization.observed import Row

ROWS = 8
"""Calibration samples per layer: an order needs no precise figure, and every layer runs them all."""


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
