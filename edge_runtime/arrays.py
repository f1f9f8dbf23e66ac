"""Between ``Tensor`` (bytes) and numpy arrays: the one module that all array-based engines share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_bundle.errors import FormatError
from edge_bundle.tensor import DType, Tensor

_DTYPES = {np.dtype(dtype.numpy_name): dtype for dtype in DType}


def to_array(tensor: Tensor) -> NDArray[Any]:
    """The tensor's elements, read-only: a view of its bytes, or a copy where they lie unaligned in a larger buffer.

    Raises ``FormatError`` when the bytes are too few or too many for dtype and shape.
    """
    got = memoryview(tensor.data).nbytes
    if got != tensor.nbytes:
        raise FormatError(what=f"tensor {tensor.shape}", expected=f"{tensor.nbytes} bytes", got=f"{got} bytes")
    array = np.frombuffer(tensor.data, dtype=tensor.dtype.numpy_name).reshape(tensor.shape)
    if not array.flags.aligned:
        array = array.copy()
    array.flags.writeable = False
    return array


def to_tensor(array: NDArray[Any]) -> Tensor:
    """A tensor that owns a copy of the array's elements, in C order.

    Raises ``FormatError`` for a numpy dtype that no ``DType`` stands for.
    """
    dtype = _DTYPES.get(array.dtype.newbyteorder("<"))
    if dtype is None:
        raise FormatError(what="array", expected="a bool, integer or float dtype", got=str(array.dtype))
    return Tensor(dtype, array.shape, array.astype(dtype.numpy_name, copy=False).tobytes())
