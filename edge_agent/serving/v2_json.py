"""Open Inference Protocol v2, JSON: the request and response objects, and tensor data as JSON arrays.

Source: "Predict Protocol - Version 2", HTTP/REST (kserve/open-inference-protocol, ``inference_rest.md``). Tensor data
is row-major and comes nested or flat. FP16 has no JSON form; BYTES and BF16 are no dtypes of Skerry.
"""

from __future__ import annotations

import array
import functools
import math
import struct
import sys
from typing import Annotated, Any, TypeAlias

import msgspec

from edge_agent.serving.extent import integer_limits
from edge_bundle.errors import FormatError, LimitExceededError
from edge_bundle.tensor import MAX_RANK, DType, Tensor

MAX_TENSORS = 64
"""Inputs or outputs in one request; a contract has no more."""

MAX_JSON_ELEMENTS = 4 << 20
"""Elements of one tensor sent as JSON. Parsed into Python numbers they take about 32 bytes each, 128 MiB."""

MAX_NAME_LENGTH = 1024
"""Characters in a name or an id; both come back in answers and errors."""

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_NAME_LENGTH)]
Extent: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Parameters: TypeAlias = dict[str, Any]


class InputObject(msgspec.Struct, frozen=True):
    """``$request_input``; ``data`` is absent when the tensor comes as binary data."""

    name: Text
    shape: Annotated[tuple[Extent, ...], msgspec.Meta(max_length=MAX_RANK)]
    datatype: Text
    parameters: Parameters = {}
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class WantedObject(msgspec.Struct, frozen=True):
    """``$request_output``."""

    name: Text
    parameters: Parameters = {}


class RequestObject(msgspec.Struct, frozen=True):
    """``$inference_request``. Members that the protocol does not know are ignored, as it asks of servers."""

    inputs: Annotated[tuple[InputObject, ...], msgspec.Meta(max_length=MAX_TENSORS)]
    id: Text | None = None
    parameters: Parameters = {}
    outputs: Annotated[tuple[WantedObject, ...], msgspec.Meta(max_length=MAX_TENSORS)] = ()


_request_decoder = msgspec.json.Decoder(RequestObject)


def decode_request_object(data: bytes | memoryview) -> RequestObject:
    """Parse the JSON part of a request. Raises ``FormatError`` naming the member at fault."""
    try:
        return _request_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # ValidationError is a DecodeError
        raise FormatError(what="infer request", expected="an inference request object", got=_reason(error)) from None


def parse_dtype(text: str, *, tensor: str) -> DType:
    """A datatype of the protocol. Raises ``FormatError`` for BYTES, BF16 and unknown ones."""
    try:
        return DType(text)
    except ValueError:
        expected = f"datatype {', '.join(DType)}"
        raise FormatError(what=f"input {tensor!r}", expected=expected, got=repr(text)) from None


def parse_data(raw: msgspec.Raw, dtype: DType, shape: tuple[int, ...], *, tensor: str) -> Tensor:
    """Turn a JSON array, nested as ``shape`` or flat, into a tensor.

    Integers must be written as integers and fit the dtype; BOOL takes ``true`` and ``false`` only; float dtypes take
    any number that does not overflow them. Raises ``FormatError``, or ``LimitExceededError`` for too many elements.
    """
    what = f"input {tensor!r}"
    if dtype is DType.FP16:
        raise FormatError(what=what, expected="FP16 as binary data (it has no JSON form)", got="a JSON array")
    count = math.prod(shape)
    _check_count(memoryview(raw), count, what)
    nested = len(shape) > 1 and _is_nested(memoryview(raw))
    try:
        values = _data_decoder(dtype, len(shape) if nested else 1).decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FormatError(what=what, expected=f"a JSON array of {dtype} elements", got=_reason(error)) from None
    flat = _flatten(values, shape, what) if nested else values
    if len(flat) != count:
        raise FormatError(what=what, expected=f"{count} elements for shape {list(shape)}", got=str(len(flat)))
    return Tensor(dtype, shape, _pack(flat, dtype, what))


def render_data(tensor: Tensor, *, name: str) -> list[Any]:
    """The elements of an answer as a flat JSON array. Raises ``FormatError`` for NaN and infinities: JSON has none."""
    code = tensor.dtype.struct_code
    values = list(struct.unpack(f"<{math.prod(tensor.shape)}{code}", tensor.data))
    if tensor.dtype.is_float and not all(map(math.isfinite, values)):
        expected = "an output that JSON can carry (ask for it as binary data)"
        raise FormatError(what=f"output {name!r}", expected=expected, got="NaN or infinity")
    return values


def _check_count(raw: memoryview, count: int, what: str) -> None:
    """Count commas before anything is built: any array of n numbers, nested or not, has n - 1 of them."""
    limit = f"{what} as JSON"
    if count > MAX_JSON_ELEMENTS:
        raise LimitExceededError(what=limit, limit=MAX_JSON_ELEMENTS, got=count, unit="elements", advice="send binary")
    found = bytes(raw).count(b",") + 1
    if found != max(count, 1):
        raise FormatError(what=what, expected=f"{count} elements", got=f"an array of {found}")


def _is_nested(raw: memoryview) -> bool:
    return bytes(raw[1:64]).lstrip()[:1] == b"["


@functools.cache
def _data_decoder(dtype: DType, depth: int) -> msgspec.json.Decoder[list[Any]]:
    element: Any = float if dtype.is_float else bool if dtype is DType.BOOL else int
    for _ in range(depth):
        element = list[element]
    return msgspec.json.Decoder(element)


def _flatten(values: list[Any], shape: tuple[int, ...], what: str) -> list[Any]:
    for depth, length in enumerate(shape):
        if depth:
            values = [element for row in values for element in row]
        if len(values) != math.prod(shape[: depth + 1]) or _ragged(values, shape, depth):
            raise FormatError(what=what, expected=f"arrays nested as {list(shape)}", got=f"other lengths at {length}")
    return values


def _ragged(values: list[Any], shape: tuple[int, ...], depth: int) -> bool:
    return depth + 1 < len(shape) and any(len(row) != shape[depth + 1] for row in values)


def _pack(values: list[Any], dtype: DType, what: str) -> bytes:
    if dtype is DType.BOOL:
        return bytes(values)
    _check_fits(values, dtype, what)
    packed = array.array(dtype.struct_code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _check_fits(values: list[Any], dtype: DType, what: str) -> None:
    if not values or dtype is DType.FP64:
        return
    smallest, largest = min(values), max(values)
    if dtype is DType.FP32:
        # The largest double that rounds to a finite FP32 value lies below 2**128 - 2**103 (IEEE 754 roundTiesToEven).
        low, high = -(2.0**128 - 2.0**103), 2.0**128 - 2.0**103
        fits = low < smallest and largest < high
    else:
        low, high = integer_limits(dtype)
        fits = low <= smallest and largest <= high
    if not fits:
        got = f"{smallest if smallest < low else largest:.17g}" if dtype is DType.FP32 else _integers(smallest, largest)
        raise FormatError(what=what, expected=f"elements that fit {dtype}", got=got)


def _integers(smallest: int, largest: int) -> str:
    return f"values from {smallest} to {largest}"


def _reason(error: Exception) -> str:
    return "JSON nested too deep" if isinstance(error, RecursionError) else str(error)
