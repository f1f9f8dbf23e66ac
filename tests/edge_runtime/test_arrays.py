"""Tensors to arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_bundle.errors import FormatError
from edge_bundle.tensor import DType, Tensor
from edge_runtime.arrays import to_array, to_tensor

ANY_ARRAY = st.sampled_from(list(DType)).flatmap(
    lambda dtype: hnp.arrays(dtype.numpy_name, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
)


@settings(deadline=None)
@given(ANY_ARRAY)
def test_there_and_back(array: np.ndarray[Any, Any]) -> None:
    tensor = to_tensor(array)
    assert memoryview(tensor.data).nbytes == tensor.nbytes
    back = to_array(tensor)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_elements_are_stored_little_endian_in_c_order() -> None:
    array = np.arange(6, dtype=">i2").reshape(2, 3)
    expected = Tensor(DType.INT16, (3, 2), np.array([[0, 3], [1, 4], [2, 5]], "<i2").tobytes())
    assert to_tensor(array.T) == expected


def test_a_tensor_owns_its_bytes() -> None:
    array = np.zeros(3, np.float32)
    tensor = to_tensor(array)
    array[:] = 7
    assert tensor.data == bytes(12)


def test_an_array_is_a_view_that_cannot_be_written() -> None:
    buffer = bytearray(8)
    array = to_array(Tensor(DType.FP32, (2,), memoryview(buffer)))
    buffer[3] = 0x40
    assert array[0] == 2.0
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(Tensor(DType.FP32, (2,), bytes(7)), id="too-short"),
        pytest.param(Tensor(DType.FP32, (2,), bytes(9)), id="too-long"),
        pytest.param(Tensor(DType.INT8, (0, 3), bytes(1)), id="empty-shape"),
    ],
)
def test_bytes_must_fit_the_shape(tensor: Tensor) -> None:
    with pytest.raises(FormatError, match="bytes, got"):
        to_array(tensor)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros(1, np.complex64), id="complex"),
        pytest.param(np.array(["a"]), id="text"),
        pytest.param(np.array([{}], dtype=object), id="object"),
    ],
)
def test_other_dtypes_are_refused(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(FormatError, match="array: expected a bool, integer or float dtype"):
        to_tensor(array)
