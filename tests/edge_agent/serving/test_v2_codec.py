"""Both codecs of the protocol carry every tensor of every dtype there and back, whole."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.serving.extent import integer_limits
from edge_agent.serving.v2_json import parse_data
from edge_agent.serving.v2_repeat import MAX_HEADERS, RequestDecoder, ResponseEncoder
from edge_agent.serving.v2_request import InferRequest, decode_request
from edge_agent.serving.v2_response import encode_response
from edge_agent.serving.wanted import WantedOutput
from edge_bundle.errors import FormatError
from edge_bundle.tensor import DType, Tensor

JSON_DTYPES = [dtype for dtype in DType if dtype is not DType.FP16]


def elements(dtype: DType) -> st.SearchStrategy[Any]:
    if dtype is DType.BOOL:
        return st.booleans()
    if dtype.is_float:
        return st.floats(width=8 * dtype.itemsize, allow_nan=False, allow_infinity=False)  # type: ignore[arg-type]
    low, high = integer_limits(dtype)
    return st.integers(low, high)


@st.composite
def tensors(draw: st.DrawFn, dtypes: Sequence[DType]) -> Tensor:
    dtype = draw(st.sampled_from(dtypes))
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    count = math.prod(shape)
    values = draw(st.lists(elements(dtype), min_size=count, max_size=count))
    return Tensor(dtype, shape, struct.pack(f"<{count}{dtype.struct_code}", *values))


def nest(flat: list[Any], shape: tuple[int, ...]) -> list[Any]:
    for length in reversed(shape[1:]):
        flat = [flat[start : start + length] for start in range(0, len(flat), length)]
    return flat


def values_of(tensor: Tensor) -> list[Any]:
    return list(struct.unpack(f"<{math.prod(tensor.shape)}{tensor.dtype.struct_code}", tensor.data))


@settings(deadline=None)
@given(tensor=tensors(JSON_DTYPES), nested=st.booleans())
def test_json_data_there_and_back(tensor: Tensor, nested: bool) -> None:
    flat = values_of(tensor)
    raw = msgspec.Raw(json.dumps(nest(flat, tensor.shape) if nested else flat).encode())
    parsed = parse_data(raw, tensor.dtype, tensor.shape, tensor="t")
    assert (parsed.dtype, parsed.shape, parsed.data) == (tensor.dtype, tensor.shape, tensor.data)


@settings(deadline=None)
@given(
    given_tensors=st.lists(tensors(JSON_DTYPES), min_size=1, max_size=4),
    mask=st.integers(0, 15),
    ident=st.none() | st.text(),
)
def test_a_response_reads_back_as_a_request(given_tensors: list[Tensor], mask: int, ident: str | None) -> None:
    """Responses and requests carry tensors alike, so one decodes as the other: JSON and binary mixed."""
    outputs = {f"t{index}": tensor for index, tensor in enumerate(given_tensors)}
    wanted = [WantedOutput(name, bool(mask >> index & 1)) for index, name in enumerate(outputs)]
    encoded = encode_response("m", "1.0.0", ident, outputs, wanted)
    length = encoded.header_length or len(encoded.body)
    document = json.loads(encoded.body[:length])
    document["inputs"] = document.pop("outputs")
    head = json.dumps(document).encode()
    tail = encoded.body[length:]
    request = decode_request(head + tail, None if encoded.header_length is None else len(head))
    assert request.id == ident
    assert {name: (t.dtype, t.shape, bytes(t.data)) for name, t in request.inputs.items()} == {
        name: (t.dtype, t.shape, t.data) for name, t in outputs.items()
    }


@settings(deadline=None)
@given(tensor=tensors(list(DType)), others=st.binary(max_size=64), binary=st.booleans(), ident=st.none() | st.just("i"))
def test_a_remembered_header_reads_like_a_new_one(
    tensor: Tensor, others: bytes, binary: bool, ident: str | None
) -> None:
    parameters = {"binary_data_size": tensor.nbytes}
    item = {"name": "t", "shape": tensor.shape, "datatype": tensor.dtype.value, "parameters": parameters}
    document = {"inputs": [item], "parameters": {"binary_data_output": binary}, **({"id": ident} if ident else {})}
    head = json.dumps(document).encode()
    decoder = RequestDecoder()
    for data in (bytes(tensor.data), others, bytes(tensor.data), bytes(tensor.nbytes)):
        outcomes: list[InferRequest | str] = []
        for decode in (decode_request, decoder.decode):
            try:
                outcomes.append(decode(head + data, len(head)))
            except FormatError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]


@settings(deadline=None)
@given(
    given_tensors=st.lists(tensors(JSON_DTYPES), min_size=1, max_size=3),
    masks=st.lists(st.integers(0, 7), min_size=1, max_size=4),
    ident=st.none() | st.just("i"),
)
def test_a_remembered_answer_reads_like_a_new_one(
    given_tensors: list[Tensor], masks: list[int], ident: str | None
) -> None:
    encoder = ResponseEncoder()
    for count in range(1, len(given_tensors) + 1):
        for mask in masks * 2:
            outputs = {f"t{index}": tensor for index, tensor in enumerate(given_tensors[-count:])}
            wanted = tuple(WantedOutput(name, bool(mask >> index & 1)) for index, name in enumerate(outputs))
            expected = encode_response("m", "1.0.0", ident, outputs, wanted)
            assert encoder.encode("m", "1.0.0", ident, outputs, wanted) == expected


def test_answers_remembered_are_bounded() -> None:
    encoder = ResponseEncoder()
    for rows in range(1, 3 * MAX_HEADERS):
        outputs = {"t": Tensor(DType.INT8, (rows,), bytes(rows))}
        head, _, data = encoder.encode("m", "1.0.0", None, outputs, (WantedOutput("t", binary=True),)).body.partition(
            b"}]}"
        )
        assert json.loads(head + b"}]}")["outputs"][0]["shape"] == [rows]
        assert data == bytes(rows)
        assert len(encoder._heads) <= MAX_HEADERS


def test_headers_remembered_are_bounded() -> None:
    decoder = RequestDecoder()
    for index in range(3 * MAX_HEADERS):
        item = {"name": f"t{index}", "shape": [1], "datatype": "INT8", "parameters": {"binary_data_size": 1}}
        head = json.dumps({"inputs": [item]}).encode()
        assert list(decoder.decode(head + b"\1", len(head)).inputs) == [f"t{index}"]
        assert len(decoder._plans) <= MAX_HEADERS


@settings(deadline=None)
@given(body=st.binary(max_size=200), length=st.none() | st.integers(1, 200))
def test_any_bytes_give_a_request_or_a_format_error(body: bytes, length: int | None) -> None:
    try:
        decode_request(body, length)
    except FormatError:
        return


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        pytest.param(DType.UINT8, "[256]", id="uint8-above"),
        pytest.param(DType.UINT8, "[-1]", id="uint8-below"),
        pytest.param(DType.INT8, "[-129]", id="int8-below"),
        pytest.param(DType.INT64, "[9223372036854775808]", id="int64-above"),
        pytest.param(DType.UINT64, "[18446744073709551616]", id="uint64-above"),
        pytest.param(DType.UINT64, f"[{10**400}]", id="integer-of-400-digits"),
        pytest.param(DType.INT32, "[1.0]", id="float-for-int"),
        pytest.param(DType.INT32, "[1e3]", id="exponent-for-int"),
        pytest.param(DType.INT32, "[true]", id="bool-for-int"),
        pytest.param(DType.BOOL, "[1]", id="int-for-bool"),
        pytest.param(DType.FP32, '["1"]', id="text-for-float"),
        pytest.param(DType.FP32, "[3.4028236e38]", id="just-above-fp32"),
        pytest.param(DType.FP32, "1", id="no-array"),
        pytest.param(DType.FP32, '"a"', id="text"),
        pytest.param(DType.FP32, "{}", id="object"),
        pytest.param(DType.FP32, "[]", id="empty"),
    ],
)
def test_elements_are_read_strictly(dtype: DType, text: str) -> None:
    with pytest.raises(FormatError, match="input 't'"):
        parse_data(msgspec.Raw(text.encode()), dtype, (1,), tensor="t")


def test_the_largest_fp32_and_whole_numbers_are_floats() -> None:
    raw = msgspec.Raw(b"[3.4028234663852886e38, 7]")
    assert values_of(parse_data(raw, DType.FP32, (2,), tensor="t")) == [3.4028234663852886e38, 7.0]


def test_a_scalar_shape_and_whitespace() -> None:
    assert values_of(parse_data(msgspec.Raw(b" [ 5 ] "), DType.INT32, (), tensor="t")) == [5]
    nested = msgspec.Raw(b"[ \n [1, 2], [3, 4]]")
    assert values_of(parse_data(nested, DType.INT32, (2, 2), tensor="t")) == [1, 2, 3, 4]
