"""Pass ``fuse``: bias, residual addition and activation become the epilogue of a convolution or product.

Requires: a checked graph; ``layout`` and ``products`` ran.
Ensures, for float ``skerry.conv2d`` and ``skerry.gemm``:
    1. a constant per column that is added to the result by the only node that reads it is part of the bias;
    2. an ``Add`` of an equally shaped value that is ready before the node starts is its residual; the addition stays
       where it is, and the convolution or product moves there;
    3. an activation that kernels know, and ``x * Sigmoid(x)``, are the node's activation; nothing is fused behind one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.activation import activation_of
from compiler.wasm.passes.draft import Draft, with_inputs
from compiler.wasm.specs import Activation, ActivationKind

NAME = "fuse"

_FUSED = ("skerry.conv2d", "skerry.gemm")
_BIAS, _RESIDUAL = 2, 3


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Fuse, in order; what is fused is looked at again by the nodes behind it."""
    draft = Draft(graph)
    for node in graph.nodes:
        if not (_activation(draft, node) or _silu(draft, node) or _addition(draft, node)):
            draft.emit(node)
    return draft.finish()


def _open(draft: Draft, value: str, *, uses: int = 1) -> Node | None:
    """The node that makes the value, if something can still be fused behind it."""
    node = draft.maker(value)
    if node is None or node.op not in _FUSED or node.attrs["spec"].activation.kind is not ActivationKind.NONE:
        return None
    return node if draft.uses(value) == uses else None


def _activation(draft: Draft, node: Node) -> bool:
    """Rule 3."""
    activation = activation_of(draft, node)
    before = None if activation is None else _open(draft, node.input(0))
    if before is None or activation is None:
        return False
    draft.replace(before, _activated(before, activation, node.output))
    return True


def _silu(draft: Draft, node: Node) -> bool:
    """Rule 3: the sigmoid's place is already emitted, and dies with its last reader."""
    if node.op != "Mul":
        return False
    for value, gate in (node.inputs, node.inputs[::-1]):
        sigmoid = draft.maker(gate)
        if sigmoid is None or sigmoid.op != "Sigmoid" or sigmoid.input(0) != value or not draft.only_use(gate):
            continue
        before = _open(draft, value, uses=2)
        if before is not None:
            draft.move_to_end(before, _activated(before, Activation(ActivationKind.SILU), node.output))
            draft.remove(sigmoid)
            return True
    return False


def _activated(node: Node, activation: Activation, output: str) -> Node:
    spec = replace(node.attrs["spec"], activation=activation)
    return replace(node, outputs=(output,), attrs={"spec": spec})


def _addition(draft: Draft, node: Node) -> bool:
    """Rules 1 and 2; of two candidates the later one is taken, since all else is ready by then."""
    if node.op != "Add":
        return False
    shape = draft.types[node.output].shape
    pairs = sorted((node.inputs, node.inputs[::-1]), key=lambda pair: -draft.place(pair[0]))
    for value, other in pairs:
        before = _open(draft, value)
        if before is None or draft.types[value].shape != shape:
            continue
        bias = _bias(draft, before, other, shape)
        if bias is not None:
            changed = with_inputs(before, {_BIAS: draft.new_constant(f"{node.output}/bias", bias)})
            draft.replace(before, replace(changed, outputs=node.outputs))
            return True
        if not before.input(_RESIDUAL) and draft.types[other].shape == shape and other != value:
            inputs = (*(before.input(index) for index in range(_RESIDUAL)), other)
            draft.move_to_end(before, replace(before, inputs=inputs, outputs=node.outputs))
            return True
    return False


def _bias(draft: Draft, node: Node, other: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """The node's bias with a constant per column added."""
    row, old = draft.floats(other), draft.floats(node.input(_BIAS))
    if row is None or row.size not in (1, shape[-1]) or (row.size > 1 and row.shape[-1] != shape[-1]):
        return None
    if node.input(_BIAS) and old is None:
        return None
    wide = np.broadcast_to(row.reshape(-1), (shape[-1],))
    return wide.astype(np.float32) if old is None else (old + wide).astype(np.float32)
