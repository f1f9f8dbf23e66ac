"""Weights and biases as TFLite's kernels take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.ir.stored_constant import StoredConstant
from compiler.tflite.model import Quant, Scales
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.site import Site
from edge_bundle.tensor import DType

Arrange: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]

_BIAS_BITS = 40
"""Of an int64 bias: TFLite's 16x8 kernels multiply 48-bit sums by a 16-bit factor."""


def integer_weights(axis: int) -> Callable[[QdqGraph, Node], bool]:
    """Whether a node's input 1 is int8 weights, symmetric, with scales for all or along ``axis``."""

    def accepts(graph: QdqGraph, node: Node) -> bool:
        stored = graph.stored_constant(node.input(1))
        if stored is None or stored.array.dtype != np.int8 or not stored.symmetric or stored.axis not in (-1, axis):
            return False
        return not node.input(2) or graph.is_constant(node.input(2))

    return accepts


def weights(site: Site, arrange: Arrange, axis: int) -> int:
    """Input 1 as a constant; ``axis`` is where the channels of its scales lie after ``arrange``."""
    name = site.node.input(1)
    if not site.integer:
        return site.draft.constant(name, arrange(site.known(1, "weights")))
    stored = _stored(site)
    return site.draft.constant(name, arrange(stored.array), Scales(stored.scale, axis if stored.scale.size > 1 else 0))


def bias(site: Site, channels: int, index: int = 2) -> int:
    """The bias as a constant [channels], zero if the node has none: float32, int32, or int64 for 16-bit activations."""
    name = site.node.input(index) or f"{site.node.output}/bias"
    real = np.zeros(channels, np.float32)
    if site.given(index):
        real = np.broadcast_to(site.known(index, "biases").reshape(-1), (channels,)).astype(np.float32)
    if not site.integer:
        return site.draft.constant(name, real)
    found = site.graph.stored(site.node.input(0))
    if found is None:
        raise site.refuse("expected stored activations")
    scale = np.float32(found[1].scale) * _stored(site).scale
    stored = _stored_bias(site, index, real, scale, channels)
    return site.draft.constant(name, _sized(stored, found[1]), Scales(np.ascontiguousarray(scale), 0))


def _stored(site: Site) -> StoredConstant:
    stored = site.graph.stored_constant(site.node.input(1))
    if stored is None:
        raise site.refuse("expected stored weights")
    return stored


def _stored_bias(
    site: Site, index: int, real: NDArray[np.float32], scale: NDArray[np.float32], channels: int
) -> NDArray[np.int64]:
    """The graph's own integers where they have the scale of the sums, else the bias rounded to it."""
    held = site.graph.stored_constant(site.node.input(index)) if site.given(index) else None
    if held is not None and held.symmetric and held.array.dtype == np.int32 and held.array.size == channels:
        wide = np.broadcast_to(held.scale, scale.shape) if held.scale.size == 1 else held.scale
        if wide.shape == scale.shape and np.allclose(wide, scale, rtol=SCALE_TOLERANCE, atol=0):
            return held.array.reshape(-1).astype(np.int64)
    limit = 2.0**_BIAS_BITS
    rounded: NDArray[np.int64] = np.clip(np.rint(real.astype(np.float64) / scale), -limit, limit).astype(np.int64)
    return rounded


def _sized(stored: NDArray[np.int64], quant: Quant) -> NDArray[Any]:
    if quant.dtype is DType.INT16:
        return stored
    limits = np.iinfo(np.int32)
    return np.clip(stored, limits.min, limits.max).astype(np.int32)


SCALE_TOLERANCE = 1e-4
"""How far a bias's scale may lie from input scale times weight scale; tools round the product to float32 once."""
