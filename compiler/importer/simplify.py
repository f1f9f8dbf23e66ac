"""Nodes that give what they get: their outputs are other names of their inputs.

1. ``Identity``, ``Dropout`` of inference, and ``Cast`` to the dtype that is there stand for their input.
2. Reshapes to the same shape, and movements that move nothing, stand for their input.
3. ``Sum``, ``Max``, ``Min``, ``Mean`` and ``Concat`` of one input stand for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from compiler.importer.call import Call
from compiler.ir.graph import ValueType

_DROPOUT_AS_INPUTS = 12
"""Since this version ratio and training mode are inputs."""

_DROPOUT_WITHOUT_TRAINING = 7
"""From this version to 11, Dropout was of inference only."""


def simplify(call: Call, types: Mapping[int, ValueType]) -> bool:
    """Whether the node is dealt with.

    Raises:
        UnsupportedOperatorError: a Dropout of training.

    """
    rule = _RULES.get(call.op)
    return rule is not None and rule(call, types)


def _same(call: Call, types: Mapping[int, ValueType]) -> bool:
    """Nothing changes but, at most, the name."""
    if types.get(0) != call.type_of(0):
        return False
    call.give(0, call.input(0))
    return True


def _dropout(call: Call, types: Mapping[int, ValueType]) -> bool:
    if call.version >= _DROPOUT_AS_INPUTS:
        training, ratio = call.constant(2), call.constant(1)
        random = call.input(2) and (training is None or bool(training.any()))
        if random and (ratio is None or bool(ratio.any())):
            raise call.refuse("it is one of training: what it drops is random")
    elif call.version < _DROPOUT_WITHOUT_TRAINING and not call.attrs.get("is_test", 0):
        raise call.refuse("it is one of training: what it drops is random")
    call.give(0, call.input(0))
    if 1 in types:
        call.give_constant(1, np.ones(types[1].shape, types[1].dtype.numpy_name))
    return True


def _transpose(call: Call, types: Mapping[int, ValueType]) -> bool:
    """Only dimensions of size 1 may change places."""
    shape = call.type_of(0).shape
    order = call.attrs.get("perm", tuple(reversed(range(len(shape)))))
    moved = [axis for axis in order if shape[axis] != 1]
    return moved == sorted(moved) and _same(call, types)


def _pad(call: Call, types: Mapping[int, ValueType]) -> bool:
    pads = call.constant(1)
    return pads is not None and not pads.any() and _same(call, types)


def _slice(call: Call, types: Mapping[int, ValueType]) -> bool:
    steps = call.constant(4)
    forward = not call.input(4) or (steps is not None and bool((steps > 0).all()))
    return forward and _same(call, types)


def _of_one(call: Call, types: Mapping[int, ValueType]) -> bool:
    return len(call.inputs) == 1 and _same(call, types)


_RULES: Mapping[str, Callable[[Call, Mapping[int, ValueType]], Any]] = {
    "Cast": _same,
    "Concat": _of_one,
    "Dropout": _dropout,
    "Expand": _same,
    "Flatten": _same,
    "Identity": _same,
    "Max": _of_one,
    "Mean": _of_one,
    "Min": _of_one,
    "Pad": _pad,
    "Reshape": _same,
    "Slice": _slice,
    "Squeeze": _same,
    "Sum": _of_one,
    "Tile": _same,
    "Transpose": _transpose,
    "Unsqueeze": _same,
}
