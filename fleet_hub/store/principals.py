"""Operators and publishers: made at init, read at start."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from fleet_hub.rules.roles import Principal, Role
from fleet_hub.store import audit_log
from fleet_hub.store.tables import principals as table


def add(connection: Connection, principal: Principal, *, now_ms: int) -> None:
    """Remember a principal by the hash of its token."""
    connection.execute(
        insert(table).values(
            token_hash=principal.token_hash, name=principal.name, role=principal.role, created_at_ms=now_ms
        )
    )
    audit_log.append(
        connection,
        at_ms=now_ms,
        actor="init",
        action="principal.create",
        subject=principal.name,
        detail={"role": principal.role},
    )


def all_principals(connection: Connection) -> tuple[Principal, ...]:
    """Everybody with a token."""
    rows = connection.execute(select(table).order_by(table.c.name))
    return tuple(Principal(row.name, Role(row.role), row.token_hash) for row in rows)
