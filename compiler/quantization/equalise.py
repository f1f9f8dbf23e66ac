"""Cross-layer equalisation: channels of activations are scaled so that one range fits all of them better.

After M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV 2019,
arXiv:1906.04721). With a scale per output channel the makers' weights cost nothing; what is weighed is the activations'
own rounding against that of the readers' weights, by the error of the readers' outputs on rows that calibration kept.

Rules:
    1. ``x -> x / s`` in every maker's weights and bias, ``x -> x * s`` in every reader's: the float function stays, as
       what stands between takes a positive factor through.
    2. ``Clip(x, 0, b)`` becomes ``Min(Relu(x), b / s)``, one bound per channel. With s at most 1 no bound is below b,
       so a stored range up to b saturates before any of them: the integer layer needs no bound at all.
    3. A value that anything else reads, or that comes from or goes outside, is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_network import Network
from compiler.importer.qdq_plan import Place
from compiler.quantization.affine import round_trip
from compiler.quantization.layers import Layer
from compiler.quantization.observed import Observed
from compiler.quantization.placement import clip_bounds
from compiler.quantization.ranges import Rule
from compiler.quantization.streams import Stream
from compiler.quantization.weights import channel_scales, rounded

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
"""Exponents that are tried: 1 lets every channel fill the range, 0 would leave all as they are."""

HEADROOM = 1.1
"""A channel's peak is taken this much larger than seen: other inputs may go beyond it."""

MIN_FACTOR = 1.0 / 64.0
"""Least factor: a channel of nothing but small values is noise, and its readers' weights shall not vanish."""

MIN_GAIN = 0.98
"""Share of the error that must at most be left for a stream to be scaled at all."""

STRESS = np.float32(1.25)
"""Errors are measured on rows this much larger than seen: full channels are the first to be cut on other inputs."""

Factors = NDArray[np.float32]
Array = NDArray[np.float32]


def best_factors(network: Network, observed: Observed, stream: Stream, rule: Rule) -> Factors | None:
    """The factors of the strength that leaves the least error, ``None`` where none gains enough."""
    seen = [observed.tensors[value] for value in stream.values if value in observed.tensors]
    peaks = [max(-one.low, one.high) for one in seen]
    whole = len(seen) == len(stream.values) and all(len(one.channel_peaks) == stream.channels for one in seen)
    if not whole or min(peaks) <= 0.0 or not all(reader.name in observed.patches for reader in stream.readers):
        return None
    fullest = np.max([one.channel_peaks / peak for one, peak in zip(seen, peaks, strict=True)], axis=0)
    share = np.clip(fullest * HEADROOM, MIN_FACTOR, 1.0)
    least = MIN_GAIN * _error(network, observed, stream.readers, np.ones_like(share), rule)
    best = None
    for strength in STRENGTHS:
        factors = np.asarray(share**strength, np.float32)
        error = _error(network, observed, stream.readers, factors, rule)
        if error < least:
            least, best = error, factors
    return best


def changes(
    network: Network, scaled: Sequence[tuple[Stream, Factors]]
) -> tuple[dict[Place, Array], dict[str, Array]]:  # fmt: skip
    """New constants by place, and bounds by Clip node, for ``qdq_rescale``."""
    constants: dict[Place, Array] = {}
    bounds: dict[str, Array] = {}
    for stream, factors in scaled:
        for maker in stream.makers:
            weights = _held(network, constants, maker, 1)
            matrix = maker.matrix(weights) / factors.reshape(maker.groups, -1, 1)
            constants[maker.name, 1] = maker.shaped(matrix.astype(np.float32), weights.shape)
            if maker.bias:
                bias = _held(network, constants, maker, 2)
                constants[maker.name, 2] = np.asarray(bias / factors.reshape(bias.shape), np.float32)
        for reader in stream.readers:
            weights = _held(network, constants, reader, 1)
            matrix = reader.matrix(weights)
            matrix = (matrix * _spread(reader, factors, matrix.shape[-1])).astype(np.float32)
            constants[reader.name, 1] = reader.shaped(matrix, weights.shape)
        for clip in stream.clips:
            shape = [1] * len(network.shapes[clip.outputs[0]])
            shape[1] = -1
            high = np.float32(clip_bounds(network, clip)[1])
            bounds[clip.name] = np.asarray((high / factors).reshape(shape), np.float32)
    return constants, bounds


def _held(network: Network, constants: Mapping[Place, Array], layer: Layer, index: int) -> Array:
    """A layer's constant as changed so far."""
    return constants.get((layer.name, index), np.asarray(network.constants[layer.node.inputs[index]], np.float32))


def _error(
    network: Network, observed: Observed, readers: Sequence[Layer], factors: Factors, rule: Rule
) -> float:  # fmt: skip
    """Noise of the readers' outputs by their power, from rounding of their inputs and weights."""
    total = 0.0
    for reader in readers:
        rows, seen = observed.local_rows(reader.name) * STRESS, observed.tensors[reader.node.inputs[0]]
        matrix = reader.matrix(np.asarray(network.constants[reader.weight], np.float32))
        spread = _spread(reader, factors, rows.shape[-1])
        scaled = matrix * spread
        held = rounded(scaled, scales := channel_scales(scaled)) * scales[..., None]
        stored = round_trip(rows / spread[:, 0], rule(seen.low, seen.high))
        wanted = np.matmul(rows.transpose(1, 0, 2), matrix.transpose(0, 2, 1))
        got = np.matmul(stored.transpose(1, 0, 2), held.transpose(0, 2, 1))
        power = float(np.square(wanted, dtype=np.float64).sum())
        total += float(np.square(wanted - got, dtype=np.float64).sum()) / power if power else 0.0
    return total


def _spread(reader: Layer, factors: Factors, inputs: int) -> Factors:
    """Factors of input channels as [groups, 1, inputs per channel]: each repeated over the kernel."""
    by_group = factors.reshape(reader.groups, -1)
    return np.repeat(by_group, inputs // by_group.shape[1], axis=1)[:, None, :]
