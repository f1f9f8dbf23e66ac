"""Evaluation of nodes whose inputs are constants, by ONNX's reference implementation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from compiler.importer.call import Call
from compiler.importer.foldable import is_kept, may_fold
from compiler.ir.graph import ValueType

FREE_BYTES = 64 << 10
"""A result of up to this size is always stored, even if its inputs are smaller."""

MAX_RESULT_BYTES = 64 << 20
"""Largest result of an operator that has to be computed here, because no kernel could: as large as real weights."""

_RANDOM = frozenset({
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
})  # fmt: skip

GENERATORS = frozenset({
    "BlackmanWindow", "ConstantOfShape", "EyeLike", "HammingWindow", "HannWindow", "MelWeightMatrix", "Range",
})  # fmt: skip
"""Operators that have nothing to do when the model runs: shapes and constants are all they read."""

_BY_SHAPE = frozenset({"EyeLike"})
"""Operators that read the shape of their input, not its elements."""

_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError,
           ValueError)  # fmt: skip
"""What the reference implementation raises for inputs that it does not handle: the node is left as it is."""


def evaluate(call: Call, types: Mapping[int, ValueType]) -> dict[int, NDArray[Any]] | None:
    """The outputs by place, ``None`` if they are not known now, too large to be stored, or better left to kernels."""
    if all(kind.size == 0 for kind in types.values()):
        return {index: np.empty(kind.shape, kind.dtype.numpy_name) for index, kind in types.items()}
    inputs = _inputs(call)
    if inputs is None or call.op in _RANDOM or not _worth_storing(call, inputs, types):
        return None
    if not may_fold(call, inputs.values(), types):
        return None
    call.scope.values.spend(
        sum(array.nbytes for array in inputs.values()) + sum(kind.nbytes for kind in types.values())
    )
    results = _run(call, inputs)
    if results is None:
        return None
    found = {index: np.asarray(results[index]) for index in types}
    for index, kind in types.items():
        if found[index].shape != kind.shape or found[index].dtype != np.dtype(kind.dtype.numpy_name):
            return None
    return found if is_kept(call, found.values()) else None


def _inputs(call: Call) -> dict[str, NDArray[Any]] | None:
    inputs: dict[str, NDArray[Any]] = {}
    for index, name in enumerate(call.proto.input):
        if not name:
            continue
        array = call.constant(index)
        if array is None and call.op in _BY_SHAPE:
            array = np.zeros(call.type_of(index).shape, call.type_of(index).dtype.numpy_name)
        if array is None:
            return None
        inputs[name] = array
    return inputs


def _worth_storing(call: Call, inputs: Mapping[str, NDArray[Any]], types: Mapping[int, ValueType]) -> bool:
    size = sum(kind.nbytes for kind in types.values())
    if call.op in GENERATORS:
        return size <= MAX_RESULT_BYTES
    return size <= max(FREE_BYTES, sum(array.nbytes for array in inputs.values()))


def _run(call: Call, inputs: Mapping[str, NDArray[Any]]) -> list[Any] | None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # dividing by zero and the like give what they give at run time
        try:
            evaluator = ReferenceEvaluator(call.proto, opsets={"": call.version})
            results = list(evaluator.run(None, dict(inputs)))
        except _FAULTS:
            return None
    return results
