"""Requests to hook and agent through the standard library's client, and bodies of inference requests."""

from __future__ import annotations

import http.client
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

HOST = "127.0.0.1"
TIMEOUT_S = 20.0
INFER = "/v2/models/digits/infer"
IMAGE = [float(value % 17) for value in range(64)]


@dataclass(frozen=True)
class Ask:
    """One request; a body given in pieces is sent chunked, without a length."""

    method: str = "POST"
    path: str = INFER
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | tuple[bytes, ...] = b""


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def cache_status(self) -> str:
        """The whole Cache-Status list."""
        return self.headers.get("cache-status", "")


def send(port: int, ask: Ask) -> Answer:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        body: bytes | Iterator[bytes] = ask.body if isinstance(ask.body, bytes) else iter(ask.body)
        chunked = not isinstance(ask.body, bytes)
        headers = ask.headers | ({"Transfer-Encoding": "chunked"} if chunked else {})
        connection.request(ask.method, ask.path, body=body, headers=headers, encode_chunked=chunked)
        response = connection.getresponse()
        names = {name.lower() for name, _ in response.getheaders()}
        return Answer(
            response.status, {name: ", ".join(response.headers.get_all(name, [])) for name in names}, response.read()
        )
    finally:
        connection.close()


def image_input(data: Sequence[Any] | None = IMAGE, **changes: Any) -> dict[str, Any]:
    """The digits model's input as JSON."""
    given: dict[str, Any] = {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": data}
    return {key: value for key, value in (given | changes).items() if value is not None}


def as_json(given: Any, **members: Any) -> Ask:
    """A JSON request with one input, or with whatever ``given`` is as inputs."""
    inputs = [given] if isinstance(given, dict) else given
    body = json.dumps({"inputs": inputs, **members}).encode()
    return Ask(headers={"Content-Type": "application/json"}, body=body)


def as_binary(data: Sequence[float] = IMAGE, *, size: int | None = None, head_length: str = "", **members: Any) -> Ask:
    """The same request with binary tensor data; ``size`` and ``head_length`` may lie."""
    raw = struct.pack(f"<{len(data)}f", *data)
    given = image_input(None, parameters={"binary_data_size": len(raw) if size is None else size})
    head = json.dumps({"inputs": [given], **members}).encode()
    return Ask(headers={"Inference-Header-Content-Length": head_length or str(len(head))}, body=head + raw)


def edited(ask: Ask, old: bytes, new: bytes) -> Ask:
    """The same request with other bytes at one place of its body."""
    assert isinstance(ask.body, bytes)
    assert ask.body.count(old) == 1
    return replace(ask, body=ask.body.replace(old, new))
