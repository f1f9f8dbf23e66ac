"""What the quantizer knows of operators: which compute on integers, which only move values, which stay in float."""

from __future__ import annotations

LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators with weights, where their second input is a constant."""

PRODUCTS = frozenset({"Gemm", "MatMul"})
"""Layers whose integer kernels can give float32: a last one needs no output scale (QGemm, MatMulIntegerToFloat)."""

MOVES = frozenset({
    "DepthToSpace", "Expand", "Flatten", "Gather", "MaxPool", "Pad", "Reshape", "Slice", "SpaceToDepth", "Split",
    "Squeeze", "Tile", "Transpose", "Unsqueeze",
})  # fmt: skip
"""Outputs hold values of the first input, so both are stored alike. ``Resize`` joins where it takes the nearest."""

COMPUTES = frozenset({
    "Add", "AveragePool", "Clip", "GlobalAveragePool", "GlobalMaxPool", "LeakyRelu", "Mul", "ReduceMean", "Relu",
    "Resize", "Sub",
})  # fmt: skip
"""Operators between stored values that have a range of their own behind them."""

JOINS = frozenset({"Concat"})
"""All inputs and the output are stored alike, as LiteRT's concatenation wants it."""

ACTIVATIONS = frozenset({"Clip", "Min", "Relu"})
"""Operators that saturation may stand for, behind a computing node."""

HEADS = frozenset({"Sigmoid", "Softmax", "Tanh"})
"""Operators whose output range is fixed. In float unless the device has no float: at 1/256, top answers tie."""

OPERATORS = tuple(sorted(LAYERS | MOVES | COMPUTES | JOINS))
"""Operators that are quantized under every scheme with activations."""

VALUE_INPUTS = {"Concat": None, "Add": 2, "Mul": 2, "Sub": 2, "MatMul": 2, "Gemm": 2, "Conv": 2, "ConvTranspose": 2}
"""How many leading inputs are values (``None``: all); one where an operator is not listed. A layer's bias is apart."""


def value_inputs(op: str, count: int) -> int:
    """How many leading inputs of a node are values, of ``count`` that it has."""
    limit = VALUE_INPUTS.get(op, 1)
    return count if limit is None else min(limit, count)
