"""Tensor specs and dtypes."""

from __future__ import annotations

import struct

import pytest

from edge_bundle.tensor import DType, Tensor, TensorSpec

SPEC = TensorSpec(name="x", dtype=DType.FP32, shape=(-1, 3))


@pytest.mark.parametrize("dtype", DType)
def test_item_sizes_agree_with_struct_and_numpy_names(dtype: DType) -> None:
    assert struct.calcsize(f"<{dtype.struct_code}") == dtype.itemsize == int(dtype.numpy_name[2:])


@pytest.mark.parametrize(
    ("shape", "accepted"),
    [
        pytest.param((1, 3), True, id="batch_of_one"),
        pytest.param((8, 3), True, id="largest_batch"),
        pytest.param((9, 3), False, id="batch_too_big"),
        pytest.param((0, 3), False, id="empty_batch"),
        pytest.param((-1, 3), False, id="dynamic_is_no_size"),
        pytest.param((1, 4), False, id="other_dimension"),
        pytest.param((3,), False, id="rank_too_low"),
        pytest.param((1, 1, 3), False, id="rank_too_high"),
    ],
)
def test_shapes_that_fit(shape: tuple[int, ...], accepted: bool) -> None:
    assert SPEC.accepts(shape, max_batch=8) is accepted


def test_bytes_of_a_tensor() -> None:
    assert Tensor(DType.INT16, (2, 3), b"").nbytes == 12
    assert Tensor(DType.FP64, (), b"").nbytes == 8
