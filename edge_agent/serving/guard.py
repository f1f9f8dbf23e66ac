"""The root of a request: whatever no handler foresaw, and whatever no route takes, becomes problem details.

Plain wrappers instead of an aiohttp middleware, which costs a request as much as parsing it (measured: 4 us).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from edge_agent.serving.problem import problem

ANY_METHOD = "*"
"""aiohttp's name for every method."""

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.Response]]


def guarded(handler: Handler) -> Handler:
    """``handler``, answering 500 for an exception that it did not foresee, with the traceback in the log."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Exception:  # noqa: BLE001 - the root of a request, logged
            return unforeseen(request)

    return answer


def unforeseen(request: web.Request) -> web.Response:
    """The answer for the exception being handled, which goes to the log."""
    _log.exception("%s %s failed", request.method, request.path)
    detail = "this is a fault of the node, not of the request; its log says more"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, title="InternalError", detail=detail)


async def refuse(request: web.Request) -> web.Response:
    """For every path and method that no other route takes: 405 with ``Allow`` where other methods work, else 404."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        allowed |= (await resource.resolve(request))[1]
    allowed.discard(ANY_METHOD)
    refusal = web.HTTPMethodNotAllowed(request.method, allowed) if allowed else web.HTTPNotFound()
    detail = f"{request.method} {request.rel_url.raw_path}: {refusal.reason}"
    response = problem(refusal.status, title=type(refusal).__name__, detail=detail)
    if allowed:
        response.headers["Allow"] = refusal.headers["Allow"]
    return response
