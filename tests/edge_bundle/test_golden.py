"""Golden vectors: the blob, and the comparison on the device."""

from __future__ import annotations

import math
import struct

import msgspec
import pytest

from edge_bundle.blobs import compress
from edge_bundle.contract import GoldenTolerance
from edge_bundle.errors import FormatError, GoldenMismatchError
from edge_bundle.golden import GoldenVector, check_golden, decode_goldens, encode_goldens
from edge_bundle.limits import MAX_GOLDEN_VECTORS
from edge_bundle.tensor import DType, Tensor
from tests.edge_bundle.samples import floats, sample_golden

EXACT = GoldenTolerance(atol=0.0, rtol=0.0)
LOOSE = GoldenTolerance(atol=0.01, rtol=0.1)


def of(dtype: DType, *values: float) -> Tensor:
    return Tensor(dtype, (len(values),), struct.pack(f"<{len(values)}{dtype.struct_code}", *values))


def check(want: Tensor, got: Tensor, tolerance: GoldenTolerance | None) -> None:
    check_golden({"y": want}, {"y": got}, tolerance, runtime="test", vector=3)


def test_round_trip_is_deterministic() -> None:
    vectors = (sample_golden(), sample_golden(-0.0))
    data = encode_goldens(vectors)
    assert data == encode_goldens(vectors)
    assert decode_goldens(data) == vectors


def test_memoryviews_are_taken() -> None:
    vector = sample_golden()
    viewed = {name: Tensor(t.dtype, t.shape, memoryview(t.data)) for name, t in vector.inputs.items()}
    assert encode_goldens((GoldenVector(viewed, vector.outputs),)) == encode_goldens((vector,))


@pytest.mark.parametrize(
    ("want", "got", "tolerance"),
    [
        pytest.param(of(DType.FP32, 1.0, -2.0), of(DType.FP32, 1.0, -2.0), EXACT, id="equal"),
        pytest.param(of(DType.FP32, 10.0), of(DType.FP32, 11.0), LOOSE, id="within_rtol"),
        pytest.param(of(DType.FP32, 0.0), of(DType.FP32, -0.009), LOOSE, id="within_atol"),
        pytest.param(of(DType.FP32, 0.0), of(DType.FP32, -0.0), EXACT, id="zeros_of_either_sign"),
        pytest.param(of(DType.FP16, 1.0), of(DType.FP16, 1.05), LOOSE, id="fp16"),
        pytest.param(of(DType.FP64, 1.0), of(DType.FP64, 1.0 + 1e-9), LOOSE, id="fp64"),
        pytest.param(of(DType.INT8, 100), of(DType.INT8, 105), LOOSE, id="int8"),
        pytest.param(of(DType.BOOL, True), of(DType.BOOL, True), EXACT, id="bool"),
        pytest.param(of(DType.FP32, math.nan), of(DType.FP32, -math.nan), EXACT, id="nan_is_nan"),
        pytest.param(of(DType.FP32, math.inf, 1), of(DType.FP32, math.inf, 1.001), LOOSE, id="same_infinity"),
        pytest.param(Tensor(DType.FP32, (0, 4), b""), Tensor(DType.FP32, (0, 4), b""), EXACT, id="empty"),
    ],
)
def test_within_tolerance(want: Tensor, got: Tensor, tolerance: GoldenTolerance) -> None:
    check(want, got, tolerance)


@pytest.mark.parametrize(
    ("want", "got", "tensor"),
    [
        pytest.param(of(DType.FP32, 1.0, 10.0), of(DType.FP32, 1.0, 12.0), "y[1]", id="beyond_rtol"),
        pytest.param(of(DType.FP32, 1.0, 1.0, 1.0), of(DType.FP32, 1.2, 9.0, 1.2), "y[1]", id="worst_is_named"),
        pytest.param(of(DType.FP32, 1.0), of(DType.FP32, math.nan), "y[0]", id="nan_for_a_number"),
        pytest.param(of(DType.FP32, math.inf), of(DType.FP32, 1e38), "y[0]", id="number_for_infinity"),
        pytest.param(of(DType.FP32, math.inf), of(DType.FP32, -math.inf), "y[0]", id="infinity_of_other_sign"),
        pytest.param(of(DType.BOOL, True), of(DType.BOOL, False), "y[0]", id="bool"),
        pytest.param(of(DType.INT64, 2**40), of(DType.INT64, -(2**40)), "y[0]", id="int64"),
        pytest.param(of(DType.FP32, 1.0), of(DType.FP64, 1.0), "y", id="other_dtype"),
        pytest.param(of(DType.FP32, 1.0), floats(1.0, shape=(1, 1)), "y", id="other_shape"),
    ],
)
def test_beyond_tolerance(want: Tensor, got: Tensor, tensor: str) -> None:
    with pytest.raises(GoldenMismatchError) as caught:
        check(want, got, LOOSE)
    assert (caught.value.tensor, caught.value.vector, caught.value.runtime) == (tensor, 3, "test")


@pytest.mark.parametrize(
    ("want", "got", "tensor", "detail"),
    [
        pytest.param(
            of(DType.FP32, 1, 0), of(DType.FP32, 1, -0.0), "y[1]", "bytes 00000000, got 00000080", id="sign_of_zero"
        ),
        pytest.param(
            of(DType.FP32, math.nan),
            of(DType.FP32, -math.nan),
            "y[0]",
            "bytes 0000c07f, got 0000c0ff",
            id="bits_of_nan",
        ),
        pytest.param(of(DType.FP64, 1.0), of(DType.FP64, 1.0 + 2**-52), "y[0]", "got 010000", id="last_bit"),
        pytest.param(of(DType.INT8, 1, 2, 3), of(DType.INT8, 1, 9, 9), "y[1]", "bytes 02, got 09", id="first_is_named"),
        pytest.param(of(DType.FP32, 1.0), of(DType.FP64, 1.0), "y", "FP64", id="other_dtype"),
    ],
)
def test_without_a_tolerance_every_byte_counts(want: Tensor, got: Tensor, tensor: str, detail: str) -> None:
    check(want, want, None)
    with pytest.raises(GoldenMismatchError, match=detail) as caught:
        check(want, got, None)
    assert caught.value.tensor == tensor


def test_a_refusal_says_by_how_much() -> None:
    want, got = of(DType.FP32, 1.0, 10.0, 5.0), of(DType.FP32, 1.5, 12.0, 5.0)
    with pytest.raises(GoldenMismatchError) as caught:
        check(want, got, LOOSE)
    assert str(caught.value) == (
        "runtime test: golden vector 3, output 'y[1]': expected 10.0 within 1.01, got 12.0 (values differ by up to 2)"
    )
    assert caught.value.largest_difference == 2.0
    with pytest.raises(GoldenMismatchError, match=r"\(not one bit may differ; values differ by up to 2\)"):
        check(want, got, None)
    with pytest.raises(GoldenMismatchError, match="by up to inf"):
        check(want, of(DType.FP32, math.nan, 10.0, 5.0), LOOSE)


def test_missing_and_extra_outputs() -> None:
    y = of(DType.FP32, 1.0)
    for got in ({}, {"z": y}, {"y": y, "z": y}):
        with pytest.raises(GoldenMismatchError, match=r"outputs \['y'\]"):
            check_golden({"y": y}, got, LOOSE, runtime="test", vector=0)


def wire(**changes: object) -> bytes:
    tensor = {"name": "x", "dtype": "FP32", "shape": [1], "data": b"\0\0\0\0"}
    vector = {"inputs": [tensor], "outputs": [tensor | changes]}
    return compress(msgspec.msgpack.encode({"schema": 1, "vectors": [vector]}))


def test_wire_helper_is_right() -> None:
    assert decode_goldens(wire())[0].inputs["x"] == of(DType.FP32, 0.0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(wire(data=b"\0\0\0"), id="short_data"),
        pytest.param(wire(shape=[2**31 - 1, 2**31 - 1]), id="huge_shape"),
        pytest.param(wire(shape=[-1]), id="negative_dimension"),
        pytest.param(wire(shape=[1] * 9), id="rank_too_high"),
        pytest.param(wire(dtype="FP8"), id="unknown_dtype"),
        pytest.param(wire(name=""), id="empty_name"),
        pytest.param(wire(extra=1), id="unknown_field"),
        pytest.param(compress(msgspec.msgpack.encode({"schema": 2, "vectors": []})), id="other_schema"),
        pytest.param(compress(msgspec.msgpack.encode({"schema": 1, "vectors": []})), id="no_vectors"),
        pytest.param(compress(b"\x91" * 100_000), id="deep_msgpack"),
        pytest.param(compress(b"\xdd\xff\xff\xff\xff"), id="huge_length"),
        pytest.param(compress(b""), id="empty"),
        pytest.param(encode_goldens((sample_golden(),) * (MAX_GOLDEN_VECTORS + 1)), id="too_many_vectors"),
    ],
)
def test_malformed_goldens_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_goldens(data)


def test_repeated_tensor_is_refused() -> None:
    tensor = {"name": "x", "dtype": "FP32", "shape": [1], "data": b"\0\0\0\0"}
    vector = {"inputs": [tensor, tensor], "outputs": [tensor]}
    with pytest.raises(FormatError, match="a repeated name"):
        decode_goldens(compress(msgspec.msgpack.encode({"schema": 1, "vectors": [vector]})))


def test_data_of_wrong_length_is_not_written() -> None:
    with pytest.raises(FormatError, match="expected 4 bytes, got 3"):
        encode_goldens((GoldenVector({"x": Tensor(DType.FP32, (1,), b"abc")}, {"y": of(DType.FP32, 1)}),))
