"""Who is asking: nodes sign each request with their key (RFC 9421), operators send a bearer token (RFC 6750)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from aiohttp import web

from edge_bundle.errors import RefusedError, UnauthenticatedError
from edge_bundle.http_signature import check_body, verify_head
from edge_bundle.keys import PublicKey
from edge_bundle.messages import EnrolRequest
from fleet_hub.rules import roles
from fleet_hub.rules.roles import Permission, Principal

BEARER = "bearer "
SIGNATURE_HEADER = "Signature"

TOKEN_ADVICE = "give a token that the hub's init wrote: --token-file FILE, or SKERRY_TOKEN_FILE"  # noqa: S105 - advice


class Doorkeeper:
    """Knows every node's key and every principal's token hash, in memory: no request waits for the database here."""

    def __init__(
        self, nodes: Mapping[str, PublicKey], principals: tuple[Principal, ...], clock: Callable[[], float]
    ) -> None:
        self._nodes = dict(nodes)
        self._principals = principals
        self._clock = clock

    def admit_node(self, node_id: str, key: PublicKey) -> None:
        """Know a node from now on."""
        self._nodes[node_id] = key

    def operator(self, request: web.Request, permission: Permission) -> Principal:
        """The principal who asks.

        Raises UnauthenticatedError without a known token, RefusedError when the role lacks the permission.
        """
        header = request.headers.get("Authorization", "")
        if header[: len(BEARER)].lower() != BEARER:
            raise UnauthenticatedError(
                what=f"{request.method} {request.path}",
                detail="expected an Authorization header with a bearer token",
                advice=TOKEN_ADVICE,
            )
        principal = roles.find(header[len(BEARER) :].strip(), self._principals)
        if principal is None:
            raise UnauthenticatedError(
                what=f"{request.method} {request.path}", detail="the token is unknown", advice=TOKEN_ADVICE
            )
        roles.require(principal, permission)
        return principal

    def node(self, request: web.Request) -> str:
        """The id of the node that signed the request; on a path that names a node, it must be that one.

        Only the head is looked at, so that nobody else's body is read; ``signed_body`` comes after it.
        Raises UnauthenticatedError, RefusedError.
        """
        node_id = self._verify(request, self._nodes.get)
        wanted = request.match_info.get("node_id", node_id)
        if node_id != wanted:
            raise RefusedError(what=f"{request.method} {request.path}", detail=f"{node_id} signed for {wanted}")
        return node_id

    def newcomer(self, request: web.Request, body: bytes, enrolment: EnrolRequest) -> PublicKey:
        """The key in an enrolment, whose holder must have signed the request.

        Raises UnauthenticatedError, FormatError.
        """
        key = PublicKey.from_text(enrolment.public_key)
        self._verify(request, {key.keyid: key}.get)
        signed_body(request, body)
        return key

    def node_or_operator(self, request: web.Request, permission: Permission) -> str:
        """Name of the node or principal behind a request without a body."""
        if SIGNATURE_HEADER in request.headers:
            node_id = self.node(request)
            signed_body(request, b"")
            return node_id
        return self.operator(request, permission).name

    def _verify(self, request: web.Request, lookup: Callable[[str], PublicKey | None]) -> str:
        path = request.rel_url.raw_path
        if request.rel_url.raw_query_string:
            raise UnauthenticatedError(what="signed request", detail="the signature covers no query, but there is one")
        with _unauthenticated():
            return verify_head(request.headers, request.method, path, lookup, self._clock())


def signed_body(request: web.Request, body: bytes) -> bytes:
    """The body, which must be the one that was signed.

    Raises UnauthenticatedError.
    """
    with _unauthenticated():
        check_body(request.headers, body)
    return body


@contextmanager
def _unauthenticated() -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        raise UnauthenticatedError(what=error.what, detail=error.detail, advice=error.advice) from error
