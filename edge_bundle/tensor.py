"""Tensors as they cross every boundary: a dtype, a shape and little-endian C-contiguous bytes. No numpy here."""

from __future__ import annotations

import enum
import math
from typing import Annotated, TypeAlias

import msgspec

MAX_RANK = 8
"""Deepest tensor accepted anywhere (Open Inference Protocol sets no limit; ONNX models here stay below 6)."""

DYNAMIC = -1
"""A dimension fixed by each request; allowed for dimension 0 (the batch) only."""


class DType(enum.StrEnum):
    """Tensor datatypes, named as in Open Inference Protocol v2 ("Tensor Data Types")."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return _ITEMSIZE[self]

    @property
    def numpy_name(self) -> str:
        """The numpy dtype string, little-endian (``<f4`` for FP32)."""
        return _NUMPY[self]

    @property
    def struct_code(self) -> str:
        """Format character for ``memoryview.cast`` and ``struct`` (``f`` for FP32)."""
        return _STRUCT[self]

    @property
    def is_float(self) -> bool:
        """Whether NaN and infinities exist in this dtype."""
        return self in (DType.FP16, DType.FP32, DType.FP64)


_ITEMSIZE = {
    DType.BOOL: 1, DType.UINT8: 1, DType.UINT16: 2, DType.UINT32: 4, DType.UINT64: 8,
    DType.INT8: 1, DType.INT16: 2, DType.INT32: 4, DType.INT64: 8,
    DType.FP16: 2, DType.FP32: 4, DType.FP64: 8,
}  # fmt: skip
_NUMPY = {
    DType.BOOL: "|b1", DType.UINT8: "|u1", DType.UINT16: "<u2", DType.UINT32: "<u4", DType.UINT64: "<u8",
    DType.INT8: "|i1", DType.INT16: "<i2", DType.INT32: "<i4", DType.INT64: "<i8",
    DType.FP16: "<f2", DType.FP32: "<f4", DType.FP64: "<f8",
}  # fmt: skip
_STRUCT = {
    DType.BOOL: "?", DType.UINT8: "B", DType.UINT16: "H", DType.UINT32: "I", DType.UINT64: "Q",
    DType.INT8: "b", DType.INT16: "h", DType.INT32: "i", DType.INT64: "q",
    DType.FP16: "e", DType.FP32: "f", DType.FP64: "d",
}  # fmt: skip

TensorName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Dimension: TypeAlias = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
Shape: TypeAlias = Annotated[tuple[Dimension, ...], msgspec.Meta(max_length=MAX_RANK)]


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a tensor must look like: name, dtype and shape (``-1`` in dimension 0 means any batch size)."""

    name: TensorName
    dtype: DType
    shape: Shape

    def accepts(self, shape: tuple[int, ...], *, max_batch: int) -> bool:
        """Whether a concrete shape fits: same rank, equal fixed dimensions, batch between 1 and ``max_batch``."""
        if len(shape) != len(self.shape):
            return False
        for want, got in zip(self.shape, shape, strict=True):  # a loop: a generator costs twice as much
            if not (1 <= got <= max_batch if want == DYNAMIC else got == want):
                return False
        return True


class Tensor(msgspec.Struct, frozen=True, gc=False):
    """A value: ``data`` holds ``prod(shape) * dtype.itemsize`` bytes, little-endian, C order.

    Nothing in it can refer back to it, so the garbage collector need not look at the thousands that a cache holds.
    """

    dtype: DType
    shape: tuple[int, ...]
    data: bytes | memoryview

    @property
    def nbytes(self) -> int:
        """Bytes that ``shape`` and ``dtype`` call for."""
        return math.prod(self.shape) * _ITEMSIZE[self.dtype]
