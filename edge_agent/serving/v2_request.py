"""Open Inference Protocol v2: the body of an infer request, JSON and binary data mixed as each tensor says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from edge_agent.serving.v2_binary import BinaryTail, binary_size
from edge_agent.serving.v2_json import InputObject, RequestObject, decode_request_object, parse_data, parse_dtype
from edge_agent.serving.wanted import WantedOutput
from edge_bundle.errors import FormatError
from edge_bundle.tensor import Tensor

UNSUPPORTED = frozenset(
    {
        "classification",
        "sequence_end",
        "sequence_id",
        "sequence_start",
        "shared_memory_byte_size",
        "shared_memory_offset",
        "shared_memory_region",
    }
)
"""Parameters of Triton's extensions that would change the answer's meaning; ignoring them would be a silent lie.

Other parameters (``priority``, ``timeout``, a client's own) are hints and are tolerated.
"""


class InferRequest(NamedTuple):
    """A parsed request. ``wanted`` is empty when the client named no outputs; then ``binary`` says how all go."""

    id: str | None
    inputs: dict[str, Tensor]
    wanted: tuple[WantedOutput, ...]
    binary: bool


def decode_request(body: bytes, header_length: int | None) -> InferRequest:
    """Parse a body whose first ``header_length`` bytes are JSON (all of it when None).

    Raises ``FormatError`` or ``LimitExceededError``; binary tensors are views of ``body``.
    """
    view = memoryview(body)
    parsed = decode_request_object(view if header_length is None else view[:header_length])
    tail = BinaryTail(None if header_length is None else view[header_length:])
    _check_parameters(parsed.parameters, "infer request")
    inputs: dict[str, Tensor] = {}
    for item in parsed.inputs:
        if item.name in inputs:
            raise FormatError(what="infer request", expected="each input once", got=f"{item.name!r} twice")
        inputs[item.name] = _input(item, tail)
    tail.finish()
    binary = _flag(parsed.parameters, "binary_data_output", "infer request", default=False)
    return InferRequest(parsed.id, inputs, _wanted(parsed, binary=binary), binary)


def _input(item: InputObject, tail: BinaryTail) -> Tensor:
    what = f"input {item.name!r}"
    _check_parameters(item.parameters, what)
    dtype = parse_dtype(item.datatype, tensor=item.name)
    size = binary_size(item.parameters, tensor=item.name)
    if size is None:
        if isinstance(item.data, msgspec.UnsetType):
            raise FormatError(what=what, expected="data or binary_data_size", got="neither")
        return parse_data(item.data, dtype, item.shape, tensor=item.name)
    if not isinstance(item.data, msgspec.UnsetType):
        raise FormatError(what=what, expected="either data or binary_data_size", got="both")
    return tail.take(size, dtype, item.shape, tensor=item.name)


def _wanted(parsed: RequestObject, *, binary: bool) -> tuple[WantedOutput, ...]:
    wanted: dict[str, WantedOutput] = {}
    for item in parsed.outputs:
        what = f"requested output {item.name!r}"
        _check_parameters(item.parameters, what)
        if item.name in wanted:
            raise FormatError(what="infer request", expected="each output once", got=f"{item.name!r} twice")
        wanted[item.name] = WantedOutput(item.name, _flag(item.parameters, "binary_data", what, default=binary))
    return tuple(wanted.values())


def _flag(parameters: Mapping[str, object], key: str, what: str, *, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise FormatError(what=what, expected=f"parameter {key} as true or false", got=repr(value))
    return value


def _check_parameters(parameters: Mapping[str, object], what: str) -> None:
    if parameters and not UNSUPPORTED.isdisjoint(parameters):
        names = ", ".join(sorted(UNSUPPORTED.intersection(parameters)))
        raise FormatError(what=what, expected="no parameters of extensions that are not offered here", got=names)
