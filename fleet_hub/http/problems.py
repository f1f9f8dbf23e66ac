"""Errors as RFC 9457 problem details, and the request log. The only place that turns an error into a status."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from sqlalchemy.exc import SQLAlchemyError

from edge_bundle import canonical
from edge_bundle.errors import (
    ConflictError,
    FormatError,
    InvalidInputError,
    LimitExceededError,
    NotFoundError,
    RefusedError,
    SkerryError,
    UnauthenticatedError,
    UnavailableError,
    VerificationError,
)
from fleet_hub.api import Problem
from fleet_hub.http.metrics import Metrics

CONTENT_TYPE = "application/problem+json"

_STATUS: tuple[tuple[type[SkerryError], HTTPStatus], ...] = (
    (UnauthenticatedError, HTTPStatus.UNAUTHORIZED),
    (RefusedError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (LimitExceededError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidInputError, HTTPStatus.BAD_REQUEST),
    (FormatError, HTTPStatus.BAD_REQUEST),
    (VerificationError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""First match counts."""

RETRY_AFTER_S = 5
"""What a client is asked to wait when the hub is busy or full (RFC 9110 section 10.2.3)."""

_log = logging.getLogger("fleet_hub.http")


def middleware(metrics: Metrics) -> Middleware:
    """Wraps every handler: errors become problems, requests are counted and logged without headers or bodies."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.monotonic()
        response = await _guarded(request, handler)
        elapsed_s = time.monotonic() - started
        route = request.match_info.route.resource
        metrics.count_request(request.method, route.canonical if route else "unknown", response.status, elapsed_s)
        _log.info("%s %s %d %.1f ms", request.method, request.rel_url.raw_path, response.status, elapsed_s * 1000)
        return response

    return handle


async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except SkerryError as error:
        return problem(_status_of(error), error.name, str(error), error.advice)
    except web.HTTPException as error:  # unknown route or method
        response = problem(HTTPStatus(error.status), error.reason, f"{request.method} {request.path}", "")
        response.headers.update({name: value for name, value in error.headers.items() if name == "Allow"})
        return response
    except TimeoutError:
        return problem(HTTPStatus.REQUEST_TIMEOUT, "UnavailableError", "the request took too long to arrive", "")
    except ConnectionError:
        raise  # the client is gone: nobody to answer, and aiohttp ends the connection quietly
    except (OSError, SQLAlchemyError):  # after its two kinds above, which are not about a disk
        _log.exception("storage error at %s %s", request.method, request.rel_url.raw_path)
        return problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "UnavailableError", "the hub's storage failed", "try again later"
        )
    except Exception:  # noqa: BLE001 - the root of a request: logged, and answered as our fault
        _log.exception("bug at %s %s", request.method, request.rel_url.raw_path)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "the hub failed; its log says more", "")


def problem(status: HTTPStatus, title: str, detail: str, advice: str) -> web.Response:
    """One problem document. Texts that quote a request may hold halves of characters, which JSON cannot carry."""
    title, detail, advice = (text.encode(errors="replace").decode() for text in (title, detail, advice))
    document = Problem(title=title, status=int(status), detail=detail, advice=advice)
    response = web.Response(body=canonical.dumps(document), content_type=CONTENT_TYPE, status=int(status))
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer, Signature"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _status_of(error: SkerryError) -> HTTPStatus:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
