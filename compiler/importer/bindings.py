"""Sizes and values that a compile gives to a model's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compiler.importer.value_types import DTYPES, words
from compiler.ir.graph import ValueType
from edge_bundle.errors import CompileError, LimitExceededError, UnsupportedOperatorError
from edge_bundle.tensor import MAX_RANK


@dataclass(frozen=True, kw_only=True)
class Bindings:
    """What a compile fixes.

    ``batch`` goes to dimension 0 of inputs where it is open. ``dims`` gives sizes by the name of a symbolic dimension,
    or by ``input:index`` for one that has no name. Inputs in ``bind`` become constants.
    """

    batch: int
    dims: Mapping[str, int]
    bind: Mapping[str, NDArray[Any]]


def bound_inputs(
    inputs: Sequence[onnx.ValueInfoProto], given: Bindings, stage: str
) -> dict[str, ValueType | NDArray[Any]]:
    """The static type of every input by name, or the array that takes its place.

    Raises:
        CompileError: a dimension stays open, a name in ``dims`` or ``bind`` fits nothing, or an array does not fit.
        UnsupportedOperatorError: an input is no tensor of a dtype in use.

    """
    symbols = _symbols(inputs, given, stage)
    _check_names("bind", given.bind, [value.name for value in inputs], stage)
    found: dict[str, ValueType | NDArray[Any]] = {}
    for value in inputs:
        kind, known = _type(value, symbols, stage), given.bind.get(value.name)
        found[value.name] = kind if known is None else _array(value.name, kind, np.asarray(known), stage)
    return found


def _key(value: onnx.ValueInfoProto, index: int) -> str:
    """What ``dims`` calls a dimension."""
    symbol = value.type.tensor_type.shape.dim[index].dim_param
    return symbol or f"{value.name}:{index}"


def _symbols(inputs: Sequence[onnx.ValueInfoProto], given: Bindings, stage: str) -> dict[str, int]:
    """The size of every open dimension that has one; ``dims`` goes before ``bind``, and that before ``batch``."""
    names: dict[str, int] = {}
    for value in inputs:
        for index, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                names[_key(value, index)] = min(index, names.get(_key(value, index), index))
    _check_names("dims", given.dims, names, stage)
    for name, size in {**given.dims, "batch": given.batch}.items():
        if size < 1:
            raise CompileError(stage=stage, detail=f"{name}: expected a size of at least 1, got {size}")
    batches = {name: given.batch for name, index in names.items() if index == 0}
    return {**batches, **_bound_sizes(inputs, given.bind), **given.dims}


def _bound_sizes(inputs: Sequence[onnx.ValueInfoProto], bind: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Sizes of open dimensions as the arrays have them."""
    return {
        _key(value, index): bind[value.name].shape[index]
        for value in inputs
        if value.name in bind and len(value.type.tensor_type.shape.dim) == bind[value.name].ndim
        for index, dim in enumerate(value.type.tensor_type.shape.dim)
        if not dim.HasField("dim_value")
    }


def _check_names(what: str, given: Mapping[str, Any], known: Any, stage: str) -> None:
    for name in given:
        if name not in known:
            there = ", ".join(map(repr, known)) or "nothing"
            raise CompileError(stage=stage, detail=f"{what}: expected one of {there}, got {name!r}")


def _type(value: onnx.ValueInfoProto, symbols: Mapping[str, int], stage: str) -> ValueType:
    tensor = value.type.tensor_type
    dtype = DTYPES.get(tensor.elem_type)
    if not value.type.HasField("tensor_type") or dtype is None:
        raise UnsupportedOperatorError(
            operator="input", node=value.name, stage=stage,
            reason=f"expected a tensor of a dtype in use, got {words(value.type)}",
        )  # fmt: skip
    if not tensor.HasField("shape"):
        raise CompileError(stage=stage, detail=f"input {value.name!r}: expected a known rank, got none")
    if len(tensor.shape.dim) > MAX_RANK:
        raise LimitExceededError(what=f"{value.name!r}", limit=MAX_RANK, got=len(tensor.shape.dim), unit="dimensions")
    sizes = [
        dim.dim_value if dim.HasField("dim_value") else symbols.get(_key(value, index), -1)
        for index, dim in enumerate(tensor.shape.dim)
    ]
    if any(dim.HasField("dim_value") and dim.dim_value < 0 for dim in tensor.shape.dim):
        raise CompileError(stage=stage, detail=f"input {value.name!r}: expected sizes of at least 0, got {sizes}")
    if min(sizes, default=0) < 0:
        name = _key(value, sizes.index(-1))
        raise CompileError(
            stage=stage,
            detail=f"input {value.name!r}: expected fixed sizes, got dimension {sizes.index(-1)} open ({name})",
            advice=f"give it one with --dim {name}=SIZE",
        )
    return ValueType(dtype, tuple(sizes))


def _array(name: str, kind: ValueType, given: NDArray[Any], stage: str) -> NDArray[Any]:
    if given.dtype != np.dtype(kind.dtype.numpy_name) or given.shape != kind.shape:
        raise CompileError(stage=stage, detail=f"bind {name!r}: expected {kind}, got {given.dtype} {list(given.shape)}")
    return given
