"""Between ``Tensor`` (bytes) and numpy arrays: the one module that all array-based engines share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_bundle.errors import FormatError
from edge_bundle.tensor import DType, Tensor

Array: TypeAlias = NDArray[Any]

_NUMPY = {dtype: np.dtype(dtype.numpy_name) for dtype in DType}
_DTYPES = {numpy_dtype: dtype for dtype, numpy_dtype in _NUMPY.items()}


def to_array(tensor: Tensor) -> Array:
    """The tensor's elements, read-only: a view of its bytes, or a copy where they lie unaligned in a larger buffer.

    Raises ``FormatError`` when the bytes are too few or too many for dtype and shape.
    """
    data, wanted = tensor.data, tensor.nbytes
    got = data.nbytes if type(data) is memoryview else len(data)
    if got != wanted:
        raise FormatError(what=f"tensor {tensor.shape}", expected=f"{wanted} bytes", got=f"{got} bytes")
    array = np.frombuffer(data, _NUMPY[tensor.dtype]).reshape(tensor.shape)
    flags = array.flags
    if not flags.aligned:
        array = array.copy()
        flags = array.flags
    if flags.writeable:
        flags.writeable = False
    return array


def to_tensor(array: Array) -> Tensor:
    """A tensor that owns a copy of the array's elements, in C order.

    Raises ``FormatError`` for a numpy dtype that no ``DType`` stands for.
    """
    dtype = _DTYPES.get(array.dtype)
    if dtype is None:
        dtype = _DTYPES.get(array.dtype.newbyteorder("<"))
        if dtype is None:
            raise FormatError(what="array", expected="a bool, integer or float dtype", got=str(array.dtype))
        array = array.astype(_NUMPY[dtype])
    return Tensor(dtype, array.shape, array.tobytes())


def row_slice(arrays: Mapping[str, Array], names: Collection[str], start: int, count: int) -> dict[str, Array]:
    """``count`` rows from ``start`` of the arrays in ``names``, and the others whole."""
    return {name: array[start : start + count] if name in names else array for name, array in arrays.items()}


def joined_rows(parts: Sequence[list[Array]]) -> list[Array]:
    """The outputs of several runs, one run after the other: each output's rows in one array."""
    return parts[0] if len(parts) == 1 else [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
