"""Layers: nodes with constant weights, and their weights as one matrix per group."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_network import Network, Op
from compiler.quantization.operators import LAYERS

MATRIX_RANK = 2


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One node with weights.

    ``axis`` is the weights' dimension of output channels (``None``: no such one). ``linear`` says that the output is
    ``inputs x matrix`` (a convolution by patches), so errors can be computed here.
    """

    node: Op
    weight: str
    axis: int | None
    channels: int
    groups: int
    bias: str
    linear: bool

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    def matrix(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weights as [groups, output channels per group, inputs per channel]."""
        first = weights if self.axis == 0 else np.moveaxis(weights, self.axis or 0, 0)
        return first.reshape(self.groups, self.channels // self.groups, -1)

    def shaped(self, matrix: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """``matrix`` undone: weights of that shape."""
        axis = self.axis or 0
        moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
        return np.ascontiguousarray(np.moveaxis(matrix.reshape(moved), 0, axis))


def layers_of(network: Network) -> Mapping[str, Layer]:
    """Every layer by name, in topological order."""
    found = (_layer(network, node) for node in network.ops if node.op in LAYERS)
    return {layer.name: layer for layer in found if layer is not None}


def _layer(network: Network, node: Op) -> Layer | None:
    weights = network.float_constant(node.input(1))
    if weights is None or weights.ndim < MATRIX_RANK or not network.is_activation(node.input(0)):
        return None
    groups = int(node.attrs.get("group", 1)) if node.op.startswith("Conv") else 1
    axis = _channel_axis(node, weights.ndim, groups)
    plain = node.op != "Gemm" or (
        all(node.attrs.get(name, 1.0) == 1.0 for name in ("alpha", "beta")) and not node.attrs.get("transA", 0)
    )
    return Layer(
        node=node,
        weight=node.input(1),
        axis=axis,
        channels=weights.shape[axis] if axis is not None else math.prod(weights.shape),
        groups=groups,
        bias=_bias(network, node) if plain else "",
        linear=plain and axis is not None and node.op != "ConvTranspose",
    )


def _channel_axis(node: Op, rank: int, groups: int) -> int | None:
    if node.op == "Conv":
        return 0
    if node.op == "ConvTranspose":
        return 1 if groups == 1 else None
    if node.op == "Gemm":
        return 0 if node.attrs.get("transB", 0) else 1
    return 1 if rank == MATRIX_RANK else None


def _bias(network: Network, node: Op) -> str:
    """The third input's name, if it is a constant with one number per channel."""
    array = network.float_constant(node.input(2))
    weights = network.constants[node.input(1)]
    axis = _channel_axis(node, weights.ndim, int(node.attrs.get("group", 1)))
    return node.input(2) if array is not None and axis is not None and array.size == weights.shape[axis] else ""
