"""The node tests of the installed ONNX package (``onnx.backend.test``), read into plain arrays.

A direct case is one node; its twin ``..._expanded`` (the same as a graph of primitive operators) is left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx  # noqa: TID251 - the test cases are ONNX objects
from numpy.typing import NDArray
from onnx import numpy_helper  # noqa: TID251

from benchmarks.conformance.bound_inputs import bound_names

Arrays = dict[str, NDArray[Any]]

EXPANDED = "_expanded"

DTYPES = frozenset({
    onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT8, onnx.TensorProto.UINT8,
    onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL,
})  # fmt: skip
"""Element types that are in scope; float64 is computed as float32."""

ATOL = {"test_dft_inverse": 1e-6, "test_dft_inverse_opset19": 1e-6}
"""Absolute tolerances instead of the package's 1e-7: where the true value is 0, these cases expect the rounding errors
of numpy's float32 FFT (1.9e-7, among values up to 54).
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One node test: ``bound`` inputs are constants of the module, ``fed`` ones are given to it, in no order."""

    name: str
    operator: str
    model: bytes
    bound: Arrays
    fed: Arrays
    expected: Arrays
    rtol: float
    atol: float


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A case with an input or output that is not a tensor in scope; ``found`` names its type."""

    name: str
    operator: str
    found: str


def load_cases() -> dict[str, Case | Skipped]:
    """Every direct case by name, in the order of the package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases overflow on purpose while they are made
        from onnx.backend.test.loader import load_model_tests  # noqa: PLC0415, TID251 - makes the cases, in seconds

        found = load_model_tests(kind="node")
    return {one.name: _read(one) for one in found if EXPANDED not in one.name}


def _read(case: Any) -> Case | Skipped:
    graph = case.model.graph
    operator = graph.node[0].op_type
    foreign = next(_foreign([*graph.input, *graph.output]), None)
    if foreign is not None:
        return Skipped(name=case.name, operator=operator, found=foreign)
    ((inputs, outputs),) = case.data_sets
    given = _arrays(graph.input, inputs)
    bound = bound_names(((node.op_type, tuple(node.input)) for node in graph.node), given)
    return Case(
        name=case.name,
        operator=operator,
        model=bytes(case.model.SerializeToString(deterministic=True)),
        bound={name: given[name] for name in given if name in bound},
        fed={name: given[name] for name in given if name not in bound},
        expected=_arrays(graph.output, outputs),
        rtol=case.rtol,
        atol=ATOL.get(case.name, case.atol),
    )


def _foreign(values: Sequence[Any]) -> Iterator[str]:
    """Names of the types that are out of scope."""
    for value in values:
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type":
            yield str(kind).removesuffix("_type")
        elif value.type.tensor_type.elem_type not in DTYPES:
            yield onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()


def _arrays(values: Sequence[Any], data: Sequence[Any]) -> Arrays:
    return {value.name: _array(one) for value, one in zip(values, data, strict=True)}


def _array(value: Any) -> NDArray[Any]:
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value)
