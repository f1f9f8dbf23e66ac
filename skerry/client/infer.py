"""Open Inference Protocol v2 over REST with the binary tensor data extension: what a caller of an agent needs.

Source: the KServe "Open Inference Protocol" v2 REST document and Triton's "Binary Tensor Data Extension".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import msgspec

from edge_bundle.errors import FormatError, LimitExceededError, RefusedError, UnavailableError
from edge_bundle.tensor import DType, Tensor

HEADER_LENGTH = "Inference-Header-Content-Length"
MAX_ANSWER_BYTES = 64 << 20
"""Largest answer read; the contract's own limit on batches keeps answers far below it."""


class _Output(msgspec.Struct, frozen=True):
    name: str
    datatype: DType
    shape: tuple[int, ...]


class _Header(msgspec.Struct, frozen=True):
    outputs: tuple[_Output, ...]


@dataclass(frozen=True)
class Answer:
    """Outputs by name, and the response headers (cache status, release, variant)."""

    outputs: dict[str, Tensor]
    headers: Mapping[str, str]


class InferClient:
    """Calls to one agent. Raises ``RefusedError`` with the agent's reason, or ``UnavailableError``."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url.rstrip("/")

    async def infer(self, model: str, inputs: Mapping[str, Tensor]) -> Answer:
        """Send one request and return its outputs."""
        body, header_bytes = encode_request(inputs)
        headers = {HEADER_LENGTH: str(header_bytes), "Content-Type": "application/octet-stream"}
        url = f"{self._url}/v2/models/{model}/infer"
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                data = await _read(response)
                if response.status >= 400:  # noqa: PLR2004 - RFC 9110: client and server errors
                    raise RefusedError(what=f"POST {url}", detail=data[:500].decode("utf-8", "replace"))
                return Answer(decode_response(data, response.headers.get(HEADER_LENGTH)), dict(response.headers))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(what=f"agent {self._url}", detail=str(error) or type(error).__name__) from error


def encode_request(inputs: Mapping[str, Tensor]) -> tuple[bytes, int]:
    """The body of an infer request and the length of its JSON part."""
    described = [
        {"name": name, "datatype": tensor.dtype.value, "shape": list(tensor.shape),
         "parameters": {"binary_data_size": tensor.nbytes}}
        for name, tensor in inputs.items()
    ]  # fmt: skip
    header = msgspec.json.encode({"inputs": described, "parameters": {"binary_data_output": True}})
    return b"".join([header, *(bytes(tensor.data) for tensor in inputs.values())]), len(header)


def decode_response(data: bytes, header_length: str | None) -> dict[str, Tensor]:
    """The outputs of a binary infer response; ``FormatError`` for anything else."""
    size = int(header_length) if header_length and header_length.isdigit() else -1
    if not 0 < size <= len(data):
        raise FormatError(what="infer response", expected=f"a {HEADER_LENGTH} header within the body", got=str(size))
    try:
        header = msgspec.json.decode(data[:size], type=_Header)
    except msgspec.DecodeError as error:
        raise FormatError(what="infer response", expected="a v2 JSON header", got=str(error)) from error
    outputs, offset = {}, size
    for output in header.outputs:
        end = offset + Tensor(output.datatype, output.shape, b"").nbytes
        outputs[output.name] = Tensor(output.datatype, output.shape, data[offset:end])
        offset = end
    if offset != len(data):
        raise FormatError(what="infer response", expected=f"{offset} bytes", got=f"{len(data)} bytes")
    return outputs


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise LimitExceededError(what=str(response.url), limit=MAX_ANSWER_BYTES, got=len(body), unit="bytes")
    return bytes(body)


@asynccontextmanager
async def open_agent(url: str, *, timeout_s: float = 30.0) -> AsyncIterator[InferClient]:
    """A client with its own connections, closed on leaving."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session:
        yield InferClient(session, url)
