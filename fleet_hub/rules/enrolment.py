"""How a node joins: it spends a one-time token and binds its own key. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_bundle.errors import RefusedError

KEYID_CHARS_IN_ID = 12
"""Part of the keyid in a node id: 48 bits keep nodes of equal name apart."""


@dataclass(frozen=True)
class TokenState:
    """What the hub knows of an enrolment token."""

    labels: Mapping[str, str]
    expires_at_ms: int
    used_by_keyid: str | None


def check_token(token: TokenState | None, *, keyid: str, now_ms: int) -> TokenState:
    """The token, if this key may spend it now.

    A key that spent the token already may come again: its first answer may have been lost on the way.

    Raises RefusedError: unknown, expired, or spent by another key.
    """
    if token is None:
        raise _refused("the token is unknown")
    if token.used_by_keyid == keyid:
        return token
    if token.used_by_keyid is not None:
        raise _refused("the token was used before")
    if now_ms >= token.expires_at_ms:
        raise _refused("the token has expired")
    return token


def node_id(name: str, keyid: str) -> str:
    """The identity of a node: its name for people, its key for uniqueness."""
    return f"{name[: 128 - KEYID_CHARS_IN_ID - 1]}-{keyid[:KEYID_CHARS_IN_ID]}"


def merge_labels(asked: Mapping[str, str], granted: Mapping[str, str]) -> dict[str, str]:
    """Labels of the node: what the operator put on the token wins over what the node says of itself."""
    return {**asked, **granted}


def _refused(detail: str) -> RefusedError:
    return RefusedError(what="enrolment", detail=detail, advice="ask an operator for a new enrolment token")
