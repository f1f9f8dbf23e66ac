"""Open Inference Protocol v2: the body of an infer response, each output as JSON or binary data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from edge_agent.serving.v2_json import render_data
from edge_agent.serving.wanted import WantedOutput
from edge_bundle.tensor import Tensor

_encoder = msgspec.json.Encoder()


class EncodedResponse(NamedTuple):
    """``header_length`` is the length of the JSON part when binary data follows it, else None."""

    body: bytes
    header_length: int | None


def encode_response(
    model: str, version: str, request_id: str | None, outputs: Mapping[str, Tensor], wanted: Sequence[WantedOutput]
) -> EncodedResponse:
    """Render the wanted outputs in the order asked for; ``id`` comes back when the client gave one.

    Raises ``FormatError`` when an output asked for as JSON holds NaN or infinity.
    """
    objects: list[dict[str, Any]] = []
    parts: list[bytes | memoryview] = []
    for name, binary in wanted:
        tensor = outputs[name]
        item: dict[str, Any] = {"name": name, "datatype": tensor.dtype.value, "shape": tensor.shape}
        if binary:
            item["parameters"] = {"binary_data_size": tensor.nbytes}
            parts.append(tensor.data)
        else:
            item["data"] = render_data(tensor, name=name)
        objects.append(item)
    head: dict[str, Any] = {"model_name": model, "model_version": version}
    if request_id is not None:
        head["id"] = request_id
    head["outputs"] = objects
    text = _encoder.encode(head)
    if not any(binary for _, binary in wanted):
        return EncodedResponse(text, None)
    return EncodedResponse(b"".join((text, *parts)), len(text))
