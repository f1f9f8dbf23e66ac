"""Which constants may be computed here, by ONNX's reference implementation, and which are left to the module.

The reference is numpy: it warns where kernels saturate, casts what is out of range as this machine does, goes through
float64 for some integers, and walks some operators element by element in Python. A node is folded only where its result
is the kernels' to the bit on every machine, and comes soon.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.importer.call import Call
from compiler.ir.graph import ValueType

MAX_WALKED = 1 << 18
"""Elements of inputs and outputs of an operator that the reference walks in Python, at up to 4 us each."""

MAX_COMPARED = 1 << 12
"""Elements of inputs of ``NonMaxSuppression``, which compares boxes in pairs."""

MAX_MULTIPLICATIONS = 1 << 32
"""Of a matrix product: about a second."""

_EXACT = 2.0**53
"""Integers below it are the same in float64."""

_QUANTIZED = 2.0**31
"""The reference rounds to int32 before it saturates."""

_NEVER = frozenset({
    "AveragePool", "Col2Im", "Conv", "ConvInteger", "ConvTranspose", "DFT", "DeformConv", "DequantizeLinear", "Det",
    "DynamicQuantizeLinear", "Einsum", "GRU", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "GridSample",
    "LRN", "LSTM", "LpPool", "MaxPool", "MaxUnpool", "QLinearConv", "QLinearMatMul", "RNN", "Resize", "RoiAlign",
    "STFT", "Upsample",
})  # fmt: skip
"""Slow in the reference, or other bits than the kernels; integer weights stay integers in the file, and fusion looks
for ``DequantizeLinear``."""

_WALKED = frozenset({
    "GatherND", "MelWeightMatrix", "ReverseSequence", "Scatter", "ScatterElements", "ScatterND", "TensorScatter",
})  # fmt: skip

_MOVES = frozenset({
    "Compress", "Concat", "ConstantOfShape", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements",
    "GatherND", "Identity", "Reshape", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split", "Squeeze",
    "Tile", "Transpose", "Trilu", "Unsqueeze", "Where",
})  # fmt: skip
"""What they give are elements of what they get, whatever those are; unless they reduce on the way."""

_THROUGH_FLOAT = frozenset(
    {"Gemm", "Mean", "Pow", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "Shrink"}
)


_PRODUCTS = frozenset({"Gemm", "MatMul", "MatMulInteger"})


def may_fold(call: Call, inputs: Iterable[NDArray[Any]], types: Mapping[int, ValueType]) -> bool:
    """Whether the reference's result would be the kernels', as far as the inputs tell."""
    arrays = tuple(inputs)
    return (
        call.op not in _NEVER and _is_soon(call, arrays, types) and (_only_moves(call) or _is_same(call, arrays, types))
    )


def is_kept(call: Call, outputs: Iterable[NDArray[Any]]) -> bool:
    """Whether the results are sure to be the kernels', as far as they tell themselves."""
    if _only_moves(call):
        return True
    return all(_finite(one) and (call.op not in _THROUGH_FLOAT or _exact(one)) for one in outputs)


def _is_soon(call: Call, arrays: tuple[NDArray[Any], ...], types: Mapping[int, ValueType]) -> bool:
    elements = sum(array.size for array in arrays) + sum(kind.size for kind in types.values())
    if call.op in _PRODUCTS:
        deepest: int = max((1, *arrays[0].shape))
        return max(kind.size for kind in types.values()) * deepest <= MAX_MULTIPLICATIONS
    if call.op == "NonMaxSuppression":
        return elements <= MAX_COMPARED
    return call.op not in _WALKED or elements <= MAX_WALKED


def _is_same(call: Call, arrays: tuple[NDArray[Any], ...], types: Mapping[int, ValueType]) -> bool:
    if not all(map(_finite, arrays)) or (call.op in _THROUGH_FLOAT and not all(map(_exact, arrays))):
        return False
    rule = _RULES.get(call.op)
    return rule is None or rule(arrays, types)


def _only_moves(call: Call) -> bool:
    return call.op in _MOVES and call.attrs.get("reduction", "none") == "none"


def _finite(array: NDArray[Any]) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _exact(array: NDArray[Any]) -> bool:
    """Integers below 2^53, which float64 holds; of floats every one."""
    return array.dtype.kind not in "iu" or array.size == 0 or float(np.abs(array.astype(np.float64)).max()) < _EXACT


def _cast(arrays: tuple[NDArray[Any], ...], types: Mapping[int, ValueType]) -> bool:
    """Floats that the integer holds: C leaves others open, and so machines differ."""
    x, target = arrays[0], np.dtype(types[0].dtype.numpy_name)
    if x.dtype.kind != "f" or target.kind not in "iu" or not x.size:
        return True
    limits, whole = np.iinfo(target), np.trunc(x.astype(np.float64))
    return bool(whole.min() >= float(limits.min) and whole.max() < float(limits.max) + (target.itemsize < 8))  # noqa: PLR2004 - 2^63 and 2^64 are floats


def _power(arrays: tuple[NDArray[Any], ...], _types: Mapping[int, ValueType]) -> bool:
    base, exponent = arrays[0], arrays[1]
    if base.dtype.kind == "f":
        return True
    with np.errstate(all="ignore"):
        result = np.power(base.astype(np.float64), exponent.astype(np.float64))
    return bool((np.isfinite(result) & (np.abs(result) < min(_EXACT, float(np.iinfo(base.dtype).max)))).all())


def _of_floats(arrays: tuple[NDArray[Any], ...], _types: Mapping[int, ValueType]) -> bool:
    return arrays[0].dtype.kind == "f"


def _quantize(arrays: tuple[NDArray[Any], ...], _types: Mapping[int, ValueType]) -> bool:
    largest = float(np.abs(arrays[0].astype(np.float64)).max(initial=0.0))
    smallest = float(np.abs(arrays[1].astype(np.float64)).min(initial=math.inf))
    return smallest > 0 and largest / smallest < _QUANTIZED


_RULES: Mapping[str, Callable[[tuple[NDArray[Any], ...], Mapping[int, ValueType]], bool]] = {
    "Cast": _cast,
    "Pow": _power,
    "QuantizeLinear": _quantize,
    "ReduceL2": _of_floats,
    "ReduceLogSum": _of_floats,
    "ReduceLogSumExp": _of_floats,
}
"""What else must hold of the inputs."""
