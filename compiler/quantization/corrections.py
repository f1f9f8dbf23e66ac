"""Layers corrected on the rows that calibration kept: weights rounded for the output's sake, biases shifted.

Bias correction is the empirical one of M. Nagel et al. (arXiv:1906.04721, section 4.2): the mean of what rounding adds
to a channel's output, of inputs and weights alike, is taken off its bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_plan import Affine, Weights
from compiler.quantization.affine import round_trip
from compiler.quantization.build import Builder
from compiler.quantization.layers import Layer
from compiler.quantization.observed import Observed
from compiler.quantization.recipe import Recipe
from compiler.quantization.rounding import compensated
from compiler.quantization.weights import channel_scales, from_matrix

MIN_ROWS = 32
"""Fewest rows of a layer's input that weights are rounded by, or a mean is taken of."""


def with_rounding(builder: Builder, recipe: Recipe, observed: Observed) -> Recipe:
    """The recipe with every layer's weights rounded for the sake of its output."""
    weights = dict(recipe.weights)
    for layer, affine in _layers(builder, recipe, observed):
        array = builder.float_weights(layer)
        matrix = layer.matrix(array)
        scales = channel_scales(matrix)
        given = round_trip(observed.patches[layer.name], affine)
        weights[layer.name] = from_matrix(layer, compensated(matrix, scales, given), scales, array.shape)
    return replace(recipe, weights=weights)


def with_biases(builder: Builder, recipe: Recipe, observed: Observed) -> Recipe:
    """The recipe with every layer's bias corrected, for its ranges and weights as they are now."""
    plan = builder.plan(replace(recipe, biases={}))
    biases: dict[str, NDArray[np.float32]] = {}
    for layer, affine in _layers(builder, recipe, observed):
        if layer.bias:
            stored = plan.weights[layer.name, 1]
            shift = _shift(layer, builder.float_weights(layer), stored, observed.patches[layer.name], affine)
            biases[layer.name] = (builder.float_bias(layer).reshape(-1) + shift).astype(np.float32)
    return replace(recipe, biases=biases)


def _layers(builder: Builder, recipe: Recipe, observed: Observed) -> list[tuple[Layer, Affine]]:
    """Layers that can be corrected, and how their input is stored."""
    reads: Mapping[str, Affine] = builder.layer_inputs(recipe)
    return [
        (layer, reads[layer.name])
        for layer in builder.layers.values()
        if layer.linear and layer.name in reads and len(observed.patches.get(layer.name, ())) >= MIN_ROWS
    ]


def _shift(
    layer: Layer, weights: NDArray[np.float32], stored: Weights, rows: NDArray[np.float32], affine: Affine
) -> NDArray[np.float64]:
    """What the float layer gives more than the stored one, by channel, on average."""
    wanted, given = (np.mean(one, axis=0, dtype=np.float64) for one in (rows, round_trip(rows, affine)))
    by_group = np.einsum("gk,gok->go", wanted, layer.matrix(weights)) - np.einsum(
        "gk,gok->go", given, layer.matrix(stored.real())
    )
    return np.asarray(by_group.reshape(-1), dtype=np.float64)
