"""Sets of dtypes that rules cover."""

from __future__ import annotations

from edge_bundle.tensor import DType

FP32 = frozenset({DType.FP32})
BOOL = frozenset({DType.BOOL})
BYTES = frozenset({DType.INT8, DType.UINT8})
UNSIGNED = frozenset({DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64})
SIGNED = frozenset({DType.INT8, DType.INT16, DType.INT32, DType.INT64})
INTEGERS = SIGNED | UNSIGNED
NUMBERS = FP32 | INTEGERS

EVERY_DTYPE = frozenset(DType)
"""Bytes are moved whatever they mean."""
