"""Which inputs of a node test become constants of the module.

A module has static shapes, so what decides the shape of an output, or which elements are read, must be known when it is
compiled. Models have such inputs as constants; the node tests feed them as graph inputs. Positions count from 0 and
follow https://github.com/onnx/onnx/blob/main/docs/Operators.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Positions: TypeAlias = tuple[int, ...]

SHAPES: Mapping[str, Positions] = {
    "AffineGrid": (1,),  # size
    "BlackmanWindow": (0,),  # size
    "CenterCropPad": (1,),  # shape
    "Col2Im": (1, 2),  # image_shape, block_shape
    "ConstantOfShape": (0,),  # input
    "DFT": (1, 2),  # dft_length, axis
    "Dropout": (1, 2),  # ratio, training_mode: whether anything is random
    "Expand": (1,),  # shape
    "HammingWindow": (0,),  # size
    "HannWindow": (0,),  # size
    "Loop": (0, 1),  # M and cond: how many turns there are
    "MaxUnpool": (2,),  # output_shape
    "MelWeightMatrix": (0, 1, 2, 3, 4),  # all of them: it computes a table
    "NonMaxSuppression": (2,),  # max_output_boxes_per_class
    "OneHot": (1,),  # depth
    "Pad": (1, 3),  # pads, axes
    "Range": (0, 1, 2),  # start, limit, delta
    "Reshape": (1,),  # shape
    "Resize": (1, 2, 3),  # roi, scales, sizes
    "STFT": (1, 3),  # frame_step, frame_length
    "Slice": (1, 2, 3, 4),  # starts, ends, axes, steps
    "Split": (1,),  # split
    "SplitToSequence": (1,),  # split
    "Squeeze": (1,),  # axes
    "Tile": (1,),  # repeats
    "TopK": (1,),  # K
    "Unsqueeze": (1,),  # axes
    "Upsample": (1,),  # scales
}
"""Inputs that decide the shape of an output."""

REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare",
)  # fmt: skip
"""Operators whose input 1 is ``axes``, which decides the shape of the output."""

LOOPS: Mapping[str, Positions] = {
    "CumProd": (1,),  # axis
    "CumSum": (1,),  # axis
    "Trilu": (1,),  # k
}
"""Inputs that choose an axis or a diagonal: they decide which loops are written, though not a shape."""

BOUND: Mapping[str, Positions] = {**SHAPES, **dict.fromkeys(REDUCTIONS, (1,)), **LOOPS}


def bound_names(nodes: Iterable[tuple[str, tuple[str, ...]]], inputs: Iterable[str]) -> frozenset[str]:
    """Names of the graph ``inputs`` that become constants; ``nodes`` are operators with the names of their inputs."""
    found = {
        names[position]
        for operator, names in nodes
        for position in BOUND.get(operator, ())
        if position < len(names) and names[position]
    }
    return frozenset(found & set(inputs))
