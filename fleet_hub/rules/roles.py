"""Who may do what: operators' roles and their bearer tokens. Tokens are kept as SHA-256 hashes only."""

from __future__ import annotations

import enum
import hmac
from dataclasses import dataclass

from edge_bundle.digest import Digest, sha256_digest
from edge_bundle.errors import RefusedError

TOKEN_BYTES = 32
"""Randomness in a token: 256 bits, so that hashing needs neither salt nor stretching."""

MAX_TOKEN_CHARS = 256
"""Longest token looked at; ours have 43 characters and a prefix."""


class Role(enum.StrEnum):
    """What a principal was made for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    PUBLISHER = "publisher"


class Permission(enum.StrEnum):
    """What a request asks for."""

    VIEW = "view"
    OPERATE = "operate"
    PUBLISH = "publish"


# An operator moves nodes but adds no releases, a publisher adds releases but moves no node: a fleet takes two.
_GRANTS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.OPERATOR: frozenset({Permission.VIEW, Permission.OPERATE}),
    Role.PUBLISHER: frozenset({Permission.VIEW, Permission.PUBLISH}),
}


@dataclass(frozen=True)
class Principal:
    """Somebody with a token."""

    name: str
    role: Role
    token_hash: Digest


def require(principal: Principal, permission: Permission) -> None:
    """Raise RefusedError unless the principal's role grants the permission."""
    if permission not in _GRANTS[principal.role]:
        allowed = ", ".join(role for role, grants in _GRANTS.items() if permission in grants)
        raise RefusedError(
            what=f"{principal.name} ({principal.role})",
            detail=f"this takes the permission to {permission}",
            advice=f"use a token of role {allowed}",
        )


def find(token: str, principals: tuple[Principal, ...]) -> Principal | None:
    """The principal whose token this is. Hashes are compared in constant time, and all of them every time."""
    token_hash = hash_token(token)
    found = [principal for principal in principals if hmac.compare_digest(principal.token_hash, token_hash)]
    return found[0] if found else None


def hash_token(token: str) -> Digest:
    """The form in which a token is stored. A header may hold any bytes, which are surrogates in ``token``."""
    return sha256_digest(token[:MAX_TOKEN_CHARS].encode(errors="surrogateescape"))


def new_token(prefix: str, random: bytes) -> str:
    """A token from ``TOKEN_BYTES`` of randomness; the prefix lets leak scanners and people tell what it is."""
    return f"skerry_{prefix}_{random.hex()}"
