"""Inference over REST: reads the body within bounds, runs the pipeline, answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from urllib.parse import quote

from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from edge_agent.serving.call import Call
from edge_agent.serving.deployment import Deployments
from edge_agent.serving.guard import unforeseen
from edge_agent.serving.intake import Intake
from edge_agent.serving.mark import Mark
from edge_agent.serving.pipeline import Pipeline
from edge_agent.serving.problem import BODY_LIMIT, problem_of
from edge_agent.serving.settings import ServingSettings
from edge_agent.serving.v2_binary import LENGTH_HEADER, parse_length
from edge_agent.serving.v2_repeat import RequestDecoder, ResponseEncoder
from edge_agent.serving.v2_response import EncodedResponse
from edge_bundle.errors import LimitExceededError, MediaTypeError, SkerryError

MEDIA_TYPES = frozenset({"application/json", "application/octet-stream"})
"""Media types of a request. Others are turned away: a browser sends ``text/plain`` across sites without asking."""

_JSON = "application/json"
_BINARY = "application/octet-stream"

# Names made for multidict once: it folds the case of plain strings again at each use.
_LENGTH = istr(LENGTH_HEADER)
_CACHE_STATUS = istr("Cache-Status")
_CACHE_KEY = istr("Skerry-Cache-Key")
_CONTRACT = istr("Skerry-Contract")

_NOTHING = EncodedResponse(b"", None)


class Codec:
    """What the requests of an application share: memories of decoder and encoder, patience and room for bodies."""

    def __init__(self, settings: ServingSettings) -> None:
        self.decode = RequestDecoder().decode
        self.encode = ResponseEncoder().encode
        self.read_timeout_s = settings.read_timeout_s
        self.intake = Intake(settings.max_held_body_bytes)


class RestWire:
    """``Wire`` of one HTTP request."""

    __slots__ = ("_codec", "_held", "_request", "encoded")

    def __init__(self, request: web.Request, codec: Codec) -> None:
        self._request = request
        self._codec = codec
        self._held = 0
        self.encoded = _NOTHING

    def decode(self, call: Call) -> Awaitable[None] | None:
        """Check the headers, then read and parse the body; waits only for a body that has not arrived whole."""
        check_headers(self._request)
        limit = call.deployment.max_body_bytes
        content = self._request.content
        if content.is_eof():
            self._parse(call, _bounded(content.read_nowait(), limit))
            return None
        announced = self._request.content_length
        if announced is not None and announced > limit:
            raise _too_large(limit, announced)
        return self._decode_slowly(call, limit)

    def encode(self, call: Call) -> None:
        """Render the answer."""
        served = call.deployment.served
        self.encoded = self._codec.encode(served.name, served.version, call.request_id, call.outputs or {}, call.wanted)

    def release(self) -> None:
        """The request is done: its body need not be held any more."""
        self._codec.intake.give(self._held)
        self._held = 0

    async def _decode_slowly(self, call: Call, limit: int) -> None:
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._codec.read_timeout_s):
                while part := await self._request.content.readany():
                    if self._held + len(part) > limit:
                        raise _too_large(limit, self._held + len(part))
                    self._codec.intake.take(len(part), own=self._held)
                    self._held += len(part)
                    parts.append(part)
        except TimeoutError:
            limit_s = self._codec.read_timeout_s
            raise LimitExceededError(what="reading the body", limit=limit_s, got=limit_s, unit="s") from None
        self._parse(call, b"".join(parts))

    def _parse(self, call: Call, body: bytes) -> None:
        length = parse_length(self._request.headers.get(_LENGTH), body_bytes=len(body))
        request = self._codec.decode(body, length)
        call.request_id, call.inputs = request.id, request.inputs
        call.wanted = request.wanted or call.deployment.all_outputs[request.binary]


class InferHandler:
    """Answers ``POST /v2/models/{model}[/versions/{version}]/infer``."""

    def __init__(self, deployments: Deployments, pipeline: Pipeline, settings: ServingSettings) -> None:
        self._deployments, self._pipeline = deployments, pipeline
        self._codec = Codec(settings)

    async def __call__(self, request: web.Request) -> web.Response:
        """Run one request through the pipeline. It guards itself: being wrapped would cost it one more coroutine."""
        names = request.match_info
        try:
            deployment = self._deployments.get(names["model"], names.get("version"))
            wire = RestWire(request, self._codec)
            call = Call(deployment, wire)
            waiting = self._pipeline.run(call)
            if waiting is not None:
                try:
                    await waiting
                finally:
                    wire.release()
            return _answer(call, wire.encoded)
        except SkerryError as error:
            return problem_of(error)
        except Exception:  # noqa: BLE001 - the root of a request, logged
            return unforeseen(request)


def check_headers(request: web.Request) -> None:
    """Raises ``MediaTypeError`` for a content coding or a media type that is not spoken here."""
    headers = request.headers
    coding = headers.get(hdrs.CONTENT_ENCODING)
    if coding is not None and coding.lower() != "identity":
        advice = "send the body as it is, without Content-Encoding"
        raise MediaTypeError(what="Content-Encoding", expected="an uncompressed body", got=repr(coding), advice=advice)
    media_type = headers.get(hdrs.CONTENT_TYPE)
    if media_type is None or media_type in MEDIA_TYPES:
        return
    if media_type.partition(";")[0].strip().lower() not in MEDIA_TYPES:
        expected, advice = " or ".join(sorted(MEDIA_TYPES)), "send the header `Content-Type: application/json`"
        raise MediaTypeError(what="Content-Type", expected=expected, got=repr(media_type), advice=advice)


def marks_header(marks: tuple[Mark, ...]) -> str:
    """``Skerry-Contract``: a structured field list (RFC 9651) of what the contract flagged or clipped.

    For instance ``flagged; output="probabilities", clipped; input="image"``; names are percent-encoded (RFC 3986).
    """
    return ", ".join(f'{mark.kind}; {mark.side}="{quote(mark.tensor, safe="/:+@ ")}"' for mark in marks)


def _answer(call: Call, encoded: EncodedResponse) -> web.Response:
    if isinstance(call.error, SkerryError):
        response = problem_of(call.error)
        response.headers.update(call.deployment.headers)
        return response
    headers = CIMultiDict(call.deployment.headers)
    headers[_CACHE_STATUS] = call.cache_status
    if encoded.header_length is None:
        headers[hdrs.CONTENT_TYPE] = _JSON
    else:
        headers[hdrs.CONTENT_TYPE] = _BINARY
        headers[_LENGTH] = str(encoded.header_length)
    if call.cache_key:
        headers[_CACHE_KEY] = call.cache_key
    if call.marks:
        headers[_CONTRACT] = marks_header(call.marks)
    return web.Response(body=encoded.body, headers=headers)


def _bounded(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise _too_large(limit, len(body))
    return body


def _too_large(limit: int, got: int) -> LimitExceededError:
    return LimitExceededError(
        what=BODY_LIMIT,
        limit=limit,
        got=got,
        unit="bytes",
        advice="the contract's limits.max_body_bytes; send fewer rows",
    )
