"""The audit log in the database. Only ever appended to, inside the transaction of the change it tells of."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Row, insert, select

from fleet_hub.rules import audit
from fleet_hub.rules.audit import AuditEvent, Break
from fleet_hub.store.tables import audit as table


def append(
    connection: Connection, *, at_ms: int, actor: str, action: str, subject: str, detail: Mapping[str, object]
) -> None:
    """Add one event to the chain."""
    row = connection.execute(select(table).order_by(table.c.seq.desc()).limit(1)).first()
    event = audit.next_event(
        _event(row) if row else None, at_ms=at_ms, actor=actor, action=action, subject=subject, detail=detail
    )
    connection.execute(insert(table).values(vars(event)))


def events(connection: Connection) -> tuple[AuditEvent, ...]:
    """The whole log, oldest first."""
    return tuple(_event(row) for row in connection.execute(select(table).order_by(table.c.seq)))


def examined(connection: Connection) -> tuple[tuple[AuditEvent, ...], Break | None]:
    """The whole log, and where its chain breaks."""
    log = events(connection)
    return log, audit.find_break(log)


def _event(row: Row[tuple[object, ...]]) -> AuditEvent:
    return AuditEvent(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row's columns
