"""A TFLite model before it is bytes: tensors, operations, inputs and outputs.

``Quant`` is the quantization of an activation, ``Scales`` that of weights. Real value = scale * (stored - zero point).
Source: https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_bundle.tensor import DType

OptionValue: TypeAlias = int | float | bool | tuple[int, ...]


@dataclass(frozen=True)
class Quant:
    """One scale for the whole tensor; ``dtype`` is INT8 or INT16 (UINT8 at a model's own inputs)."""

    scale: float
    zero_point: int
    dtype: DType

    @property
    def stored_range(self) -> tuple[int, int]:
        """The least and the greatest stored value."""
        info = np.iinfo(self.dtype.numpy_name)
        return int(info.min), int(info.max)


@dataclass(frozen=True)
class Scales:
    """Symmetric quantization of weights: one scale, or one per index of ``axis``."""

    scale: NDArray[np.float32] = field(repr=False)
    axis: int


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """``data`` is there for constants only."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    quant: Quant | Scales | None = None
    data: NDArray[Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Builtin options: the table of the schema (``Conv2DOptions``), and its fields by their generated names."""

    table: str
    values: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """``inputs`` and ``outputs`` are places in the model's tensors; -1 leaves an optional input out."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None = None


@dataclass(frozen=True, kw_only=True)
class TfliteModel:
    """One subgraph; ``operations`` stand in execution order."""

    tensors: tuple[Tensor, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
