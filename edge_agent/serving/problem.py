"""Errors as HTTP answers: RFC 9457 problem details that also carry the ``error`` member of the Open Inference Protocol.

Triton's and KServe's clients read ``error``; everything else reads ``title``, ``detail`` and ``advice``.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from aiohttp import web

from edge_bundle.errors import (
    ContractViolationError,
    EngineError,
    EngineTimeoutError,
    FormatError,
    LimitExceededError,
    MediaTypeError,
    NotFoundError,
    SkerryError,
    UnavailableError,
)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
"""Pause asked of a client that was told to come back later."""

BODY_LIMIT = "request body"
"""``LimitExceededError.what`` of a body that is too large."""

# First match holds: a subclass stands above its base.
_STATUS: tuple[tuple[type[SkerryError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (MediaTypeError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (FormatError, HTTPStatus.BAD_REQUEST),
    (LimitExceededError, HTTPStatus.BAD_REQUEST),
    (ContractViolationError, HTTPStatus.BAD_REQUEST),
    (UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
    (EngineTimeoutError, HTTPStatus.GATEWAY_TIMEOUT),
    (EngineError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


def status_of(error: SkerryError) -> HTTPStatus:
    """The status of an error. What the protocol calls a failed inference is 400 when the request is at fault."""
    if isinstance(error, LimitExceededError) and error.what == BODY_LIMIT:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if isinstance(error, ContractViolationError) and error.where == "output":
        return HTTPStatus.INTERNAL_SERVER_ERROR
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_of(error: SkerryError) -> web.Response:
    """The answer for a refusal or failure."""
    response = problem(status_of(error), title=error.name, detail=str(error), advice=error.advice)
    if isinstance(error, UnavailableError):
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def problem(status: int, *, title: str, detail: str, advice: str = "") -> web.Response:
    """A problem details object. ``type`` is ``about:blank``: the title names the error class."""
    document = {"type": "about:blank", "title": title, "status": int(status), "detail": detail, "error": detail}
    if advice:
        document["advice"] = advice
    return web.Response(status=status, body=msgspec.json.encode(document), content_type=CONTENT_TYPE)
