"""Which activation a node is."""

from __future__ import annotations

import math

from compiler.ir.graph import Node
from compiler.wasm.passes.draft import Draft, scalar
from compiler.wasm.specs import Activation, ActivationKind

_PLAIN = {
    "Relu": ActivationKind.RELU,
    "Sigmoid": ActivationKind.SIGMOID,
    "Tanh": ActivationKind.TANH,
    "HardSwish": ActivationKind.HARD_SWISH,
}


def activation_of(draft: Draft, node: Node) -> Activation | None:
    """The activation that a node applies to its first input, if it is one of those that kernels know."""
    if node.op in _PLAIN:
        return Activation(_PLAIN[node.op])
    if node.op == "LeakyRelu":
        return Activation(ActivationKind.LEAKY_RELU, float(node.attrs.get("alpha", 0.01)))
    if node.op == "HardSigmoid":
        alpha, beta = float(node.attrs.get("alpha", 0.2)), float(node.attrs.get("beta", 0.5))
        return Activation(ActivationKind.HARD_SIGMOID, alpha, beta)
    if node.op == "Clip":
        bounds = clip_bounds(draft, node)
        return None if bounds is None else Activation(ActivationKind.CLIP, *bounds)
    return None


def clip_bounds(draft: Draft, node: Node) -> tuple[float, float] | None:
    """Low and high of a ``Clip`` (infinite where left out), if they are known."""
    bounds = []
    for index, key, default in ((1, "min", -math.inf), (2, "max", math.inf)):
        name = node.input(index)
        value = scalar(draft.constant(name)) if name else float(node.attrs.get(key, default))
        if value is None or math.isnan(value):
            return None
        bounds.append(value)
    return bounds[0], bounds[1]
