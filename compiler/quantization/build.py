"""Placement and recipe become the plan that the writer carries out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from compiler.importer.qdq_network import Network
from compiler.importer.qdq_plan import Affine, Place, QdqPlan, Weights
from compiler.quantization.affine import FULL_BITS, affine_of, stored_constant
from compiler.quantization.layers import Layer
from compiler.quantization.placement import Placement, clip_bounds
from compiler.quantization.recipe import Recipe
from compiler.quantization.weights import in_blocks, make_room, per_channel, stored_bias
from compiler.scheme import Scheme
from hardware_profiles.schema import Activations

WIDE = {
    Activations.UINT8: Activations.UINT16,
    Activations.INT8: Activations.INT16,
    Activations.INT8_ASYMMETRIC: Activations.INT16,
    Activations.UINT16: Activations.UINT16,
    Activations.INT16: Activations.INT16,
}
"""What a layer that is kept in 16 bits stores; LiteRT's 16-bit kernels are symmetric."""

BASE_OPSET, WIDE_OPSET = 13, 21
"""Least opset of 8-bit pairs with scales per channel; that of 16-bit and 4-bit ones (ONNX Operators.md)."""

BOUND_SLACK = 1e-3
"""How far, in steps, a range may reach over a Clip's bound and still stand for it: float rounding of the scale."""

_FIXED = {
    "Softmax": {"uint8": (256, 0), "int8": (256, -128), "uint16": (65536, 0), "int16": (32768, 0)},
    "Sigmoid": {"uint8": (256, 0), "int8": (256, -128), "uint16": (65536, 0), "int16": (32768, 0)},
    "Tanh": {"uint8": (128, 128), "int8": (128, 0), "uint16": (32768, 32768), "int16": (32768, 0)},
}
"""Steps per unit and zero point of outputs whose range is known: LiteRT's fixed rule
(https://ai.google.dev/edge/litert/models/quantization_spec), and the same numbers unsigned."""

_SYMMETRIC_STEPS = 127
"""Steps per unit of those outputs in symmetric int8."""


class Builder:
    """One graph under one scheme and placement; recipes come and go."""

    def __init__(self, network: Network, layers: Mapping[str, Layer], scheme: Scheme, placement: Placement) -> None:
        self.network, self.layers, self.scheme, self.placement = network, layers, scheme, placement
        self._members = placement.members()

    def affine(self, group: str, recipe: Recipe, *, wide: bool = False) -> Affine:
        """How a group is stored; in its 16-bit form if ``wide``."""
        activations = _activations(self.scheme)
        bits = FULL_BITS if wide else self.scheme.bits
        activations = WIDE[activations] if wide else activations
        fixed = next((self.placement.fixed[m] for m in self._members[group] if m in self.placement.fixed), "")
        low, high = recipe.whole.get(group, recipe.ranges[group]) if wide else recipe.ranges[group]
        affine = affine_of(low, high, activations, bits)
        if not fixed:
            return affine
        steps, zero = _FIXED[fixed][affine.dtype]
        if activations is Activations.INT8:
            steps, zero = _SYMMETRIC_STEPS, 0
        return Affine(float(np.float32(1.0 / steps)), zero, affine.dtype)

    def stored(self, recipe: Recipe) -> dict[str, Affine]:
        """How every value is stored."""
        by_group = {
            group: self.affine(group, recipe, wide=group in self.placement.wide) for group in sorted(self._members)
        }
        return {value: by_group[group] for value, group in self.placement.groups.items()}

    def plan(self, recipe: Recipe) -> QdqPlan:
        """The whole rewrite."""
        if self.scheme.activations is None:
            return self._weights_only()
        stored = self.stored(recipe)
        reads = {place: self._read(place, stored, recipe) for place in sorted(self.placement.reads)}
        weights: dict[Place, Weights] = {}
        for layer in self.layers.values():
            affine = reads.get((layer.name, 0))
            if affine is not None:
                weights |= self._layer(layer, affine, recipe)
        for place in sorted(self.placement.constants):
            weights[place] = self._operand(place)
        wide = any(affine.dtype in ("uint16", "int16") for affine in (*stored.values(), *reads.values()))
        return QdqPlan(
            stored=stored,
            reads=reads,
            weights=weights,
            dropped=self._dropped(stored),
            opset=WIDE_OPSET if wide else BASE_OPSET,
        )

    def _read(self, place: Place, stored: Mapping[str, Affine], recipe: Recipe) -> Affine:
        """As it is stored, but where a 16-bit layer reads bytes, or a narrow one 16 bits."""
        node = self.network.by_name[place[0]]
        value = node.inputs[place[1]]
        group = self.placement.groups[value]
        wants = place in self.placement.wide_reads
        holds = group in self.placement.wide
        computes = node.name in self.layers or (node.op in ("MatMul", "Add", "Mul", "Sub"))
        if wants == holds or not computes:
            return stored[value]
        return self.affine(group, recipe, wide=wants)

    def _layer(self, layer: Layer, affine: Affine, recipe: Recipe) -> dict[Place, Weights]:
        weights = recipe.weights.get(layer.name) or per_channel(layer, self.float_weights(layer))
        if not layer.bias:
            return {(layer.name, 1): weights}
        bias = recipe.biases.get(layer.name, self.float_bias(layer))
        weights = make_room(weights, bias, affine.scale)
        return {(layer.name, 1): weights, (layer.name, 2): stored_bias(bias, weights, affine.scale)}

    def float_weights(self, layer: Layer) -> NDArray[np.float32]:
        """A layer's weights in float32."""
        return np.asarray(self.network.constants[layer.weight], np.float32)

    def float_bias(self, layer: Layer) -> NDArray[np.float32]:
        """A layer's bias in float32, one number per channel."""
        return np.asarray(self.network.constants[layer.bias], np.float32).reshape(-1)

    def layer_inputs(self, recipe: Recipe) -> dict[str, Affine]:
        """How layers read their input, by name; those in float are left out."""
        stored = self.stored(recipe)
        places = sorted(place for place in self.placement.reads if place[1] == 0 and place[0] in self.layers)
        return {name: self._read((name, index), stored, recipe) for name, index in places}

    def _operand(self, place: Place) -> Weights:
        """A constant operand, stored as activations are."""
        array = np.asarray(self.network.constants[self.network.by_name[place[0]].inputs[place[1]]], np.float32)
        low, high = float(array.min(initial=0.0)), float(array.max(initial=0.0))
        affine = affine_of(low, high, _activations(self.scheme), self.scheme.bits)
        return Weights(
            stored_constant(array, affine), np.asarray(affine.scale, np.float32), affine.dtype, zero=affine.zero_point
        )

    def _dropped(self, stored: Mapping[str, Affine]) -> frozenset[str]:
        """Rule 3 of placement, where the stored range lies within the bounds."""
        found = set()
        for node, value in self.placement.fused.items():
            affine = stored[value]
            low, high = affine.range
            first, last = clip_bounds(self.network, self.network.by_name[node])
            slack = affine.scale * BOUND_SLACK
            if low >= first - slack and high <= last + slack:
                found.add(node)
        return frozenset(found)

    def _weights_only(self) -> QdqPlan:
        """8- or 4-bit weights, and floats otherwise."""
        bits = self.scheme.weight_bits
        kept = self.placement.kept
        weights = {
            (layer.name, 1): per_channel(layer, self.float_weights(layer)) if bits == FULL_BITS else
            in_blocks(layer, self.float_weights(layer))
            for layer in self.layers.values() if layer.name not in kept
        }  # fmt: skip
        return QdqPlan(stored={}, reads={}, weights=weights, opset=BASE_OPSET if bits == FULL_BITS else WIDE_OPSET)


def _activations(scheme: Scheme) -> Activations:
    return scheme.activations or Activations.UINT8
