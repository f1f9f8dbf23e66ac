"""Repeated requests: clients send the same JSON header again and again, with other binary data behind it.

A header without id whose tensors are all binary says the same each time, so what was learned from it is remembered
by its exact bytes: decoding such a request again is a dictionary lookup and a slice per tensor. The header of its
answer is remembered likewise, by the shapes of the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edge_agent.serving.v2_request import InferRequest, decode_request
from edge_agent.serving.v2_response import EncodedResponse, encode_response
from edge_agent.serving.wanted import WantedOutput
from edge_bundle.tensor import DType, Tensor

MAX_HEADERS = 64
"""Headers remembered each way; clients of one node use a handful. When full all are forgotten: one parse each."""

MAX_HEADER_BYTES = 1024
"""Longest header remembered; a request with two inputs and two outputs has about 400 bytes."""


class _Part(NamedTuple):
    name: str
    dtype: DType
    shape: tuple[int, ...]
    start: int
    end: int


class _Plan(NamedTuple):
    parts: tuple[_Part, ...]
    nbytes: int
    wanted: tuple[WantedOutput, ...]
    binary: bool


class RequestDecoder:
    """``decode_request`` with a bounded memory of headers; gives the same results."""

    def __init__(self) -> None:
        self._plans: dict[bytes, _Plan] = {}

    def decode(self, body: bytes, header_length: int | None) -> InferRequest:
        """Parse a body. Raises ``FormatError`` or ``LimitExceededError``."""
        if header_length is None or header_length > MAX_HEADER_BYTES:
            return decode_request(body, header_length)
        head = body[:header_length]
        plan = self._plans.get(head)
        if plan is None or len(body) - header_length != plan.nbytes:
            request = decode_request(body, header_length)
            self._remember(head, request)
            return request
        view = memoryview(body)
        inputs: dict[str, Tensor] = {}
        for name, dtype, shape, start, end in plan.parts:
            inputs[name] = Tensor(dtype, shape, view[header_length + start : header_length + end])
        return InferRequest(None, inputs, plan.wanted, plan.binary)

    def _remember(self, head: bytes, request: InferRequest) -> None:
        parts: list[_Part] = []
        offset = 0
        for name, tensor in request.inputs.items():
            if not isinstance(tensor.data, memoryview) or tensor.dtype is DType.BOOL:  # JSON data; bytes to be checked
                return
            parts.append(_Part(name, tensor.dtype, tensor.shape, offset, offset + tensor.nbytes))
            offset += tensor.nbytes
        if request.id is not None:
            return
        if len(self._plans) >= MAX_HEADERS:
            self._plans.clear()
        self._plans[head] = _Plan(tuple(parts), offset, request.wanted, request.binary)


class ResponseEncoder:
    """``encode_response`` with a bounded memory of headers; gives the same results."""

    def __init__(self) -> None:
        self._heads: dict[tuple[object, ...], bytes] = {}

    def encode(
        self,
        model: str,
        version: str,
        request_id: str | None,
        outputs: Mapping[str, Tensor],
        wanted: tuple[WantedOutput, ...],
    ) -> EncodedResponse:
        """Render the wanted outputs. Raises ``FormatError``."""
        if request_id is not None:
            return encode_response(model, version, request_id, outputs, wanted)
        known_by: list[object] = [model, version, wanted]
        parts: list[bytes | memoryview] = [b""]
        for name, _ in wanted:
            tensor = outputs[name]
            known_by += (tensor.dtype, tensor.shape)
            parts.append(tensor.data)
        key = tuple(known_by)
        head = self._heads.get(key)
        if head is None:
            encoded = encode_response(model, version, None, outputs, wanted)
            self._remember(key, encoded, wanted)
            return encoded
        parts[0] = head
        return EncodedResponse(b"".join(parts), len(head))

    def _remember(self, key: tuple[object, ...], encoded: EncodedResponse, wanted: tuple[WantedOutput, ...]) -> None:
        if encoded.header_length is None or not all(binary for _, binary in wanted):
            return
        if len(self._heads) >= MAX_HEADERS:
            self._heads.clear()
        self._heads[key] = encoded.body[: encoded.header_length]
