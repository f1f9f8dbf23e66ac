"""Pass ``spell``: operators that TFLite lacks, said with those it has.

Requires: a checked graph.
Ensures:
    1. ``BatchNormalization`` with known parameters is a ``Mul`` and an ``Add``;
    2. ``Split`` is a ``Slice`` for each part;
    3. ``LSTM`` is a product, a sum and its gates for each step (``recurrent.py``);
    4. ``Sum`` is a chain of ``Add``; ``Max`` and ``Min`` of many are chains of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np

from compiler.ir.graph import IrGraph, Node
from compiler.tflite.passes import recurrent
from compiler.wasm.passes.draft import Draft

NAME = "spell"

PAIR = 2


def run(graph: IrGraph) -> IrGraph:
    """Spell out what the rules name.

    Raises:
        UnsupportedOperatorError: an LSTM that cannot be unrolled.

    """
    draft = Draft(graph)
    for node in graph.nodes:
        rule = _RULES.get(node.op)
        if rule is None or not rule(draft, node):
            draft.emit(node)
    return draft.finish()


def _batch_norm(draft: Draft, node: Node) -> bool:
    """Rule 1, computed in float64 and rounded once."""
    arrays = [draft.floats(node.input(index)) for index in range(1, 5)]
    known = [array.astype(np.float64) for array in arrays if array is not None]
    if len(known) != len(arrays) or node.attrs.get("training_mode", 0) or any(node.outputs[1:]):
        return False
    scale, shift, mean, variance = known
    factor = scale / np.sqrt(variance + float(node.attrs.get("epsilon", 1e-5)))
    kind = draft.types[node.output]
    shape = (-1, *(1,) * (kind.rank - 2))
    product = draft.add(
        "Mul",
        (node.input(0), draft.new_constant(f"{node.output}/factor", factor.astype(np.float32).reshape(shape))),
        draft.fresh(f"{node.output}/product"),
        kind,
    )
    rest = draft.new_constant(f"{node.output}/shift", (shift - mean * factor).astype(np.float32).reshape(shape))
    draft.emit(Node(op="Add", name=node.name, inputs=(product, rest), outputs=node.outputs[:1]))
    return True


def _split(draft: Draft, node: Node) -> bool:
    """Rule 2."""
    rank = draft.types[node.input(0)].rank
    axis = int(node.attrs.get("axis", 0)) % rank
    sizes = [draft.types[name].shape[axis] if name else 0 for name in node.outputs]
    if "" in node.outputs and node.input(1):
        known = draft.constant(node.input(1))
        sizes = sizes if known is None else [int(size) for size in known]
    axes = draft.new_constant(f"{node.output}/axis", np.array([axis], np.int64))
    for name, (start, end) in zip(node.outputs, pairwise(accumulate(sizes, initial=0)), strict=True):
        if name:
            bounds = [draft.new_constant(f"{name}/bound", np.array([place], np.int64)) for place in (start, end)]
            draft.add("Slice", (node.input(0), *bounds, axes), name, draft.types[name])
    return True


def _chain(op: str) -> Callable[[Draft, Node], bool]:
    """Rule 4."""

    def spell(draft: Draft, node: Node) -> bool:
        if len(node.inputs) <= PAIR:
            draft.emit(replace(node, op=op))
            return True
        held = node.input(0)
        for other in node.inputs[1:-1]:
            kind = draft.types[held]
            shape = np.broadcast_shapes(kind.shape, draft.types[other].shape)
            held = draft.add(op, (held, other), draft.fresh(f"{node.output}/part"), replace(kind, shape=shape))
        draft.emit(replace(node, op=op, inputs=(held, node.inputs[-1])))
        return True

    return spell


_RULES: Mapping[str, Callable[[Draft, Node], bool]] = {
    "BatchNormalization": _batch_norm,
    "LSTM": recurrent.lstm,
    "Max": _chain("Max"),
    "Min": _chain("Min"),
    "Split": _split,
    "Sum": _chain("Add"),
}

OPERATORS = tuple(sorted(_RULES))
"""ONNX operators that are spelled out."""
