"""Telemetry: every batch counted once, and totals per node, model, version, variant and profile."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from edge_bundle.ddsketch import Sketch
from edge_bundle.errors import LimitExceededError
from edge_bundle.telemetry import TelemetryBatch
from fleet_hub.api import NodeEventRow, TelemetryRow
from fleet_hub.rules import telemetry_ingest
from fleet_hub.rules.telemetry_ingest import COUNTERS, MAX_TOTALS_PER_NODE, Total, TotalKey
from fleet_hub.store.tables import node_events, telemetry_batches, telemetry_totals

_sketch_encoder = msgspec.msgpack.Encoder()
_sketch_decoder = msgspec.msgpack.Decoder(Sketch)

# Built once: putting a statement together costs SQLAlchemy more than running it, and this is the hub's busiest path.
_IDENTITY = ("node_id", "boot_id", "sequence")
_KEY = tuple(field.name for field in dataclasses.fields(TotalKey))
_SUMS = tuple(column.name for column in telemetry_totals.columns if column.name not in _KEY)
_KNOWN = select(telemetry_batches.c.received_at_ms).where(
    *(telemetry_batches.c[name] == bindparam(f"is_{name}") for name in _IDENTITY)
)
_IS_KEY = tuple(telemetry_totals.c[name] == bindparam(f"is_{name}") for name in _KEY)
_TOTAL = select(telemetry_totals).where(*_IS_KEY)
_HELD = select(func.count()).where(telemetry_totals.c.node_id == bindparam("is_node_id"))
_ADD_BATCH, _ADD_TOTAL, _ADD_EVENTS = insert(telemetry_batches), insert(telemetry_totals), insert(node_events)
_SET_TOTAL = update(telemetry_totals).where(*_IS_KEY).values({name: bindparam(name) for name in _SUMS})


def ingest(connection: Connection, batch: TelemetryBatch, *, now_ms: int) -> bool:
    """Count a batch; ``False`` when the same (node, boot, sequence) was counted before.

    There is one writer, so nothing can come between the look and the insert. An event of the future counts as of now:
    otherwise one node could hide the events of all others, and keep its own for ever.

    Raises LimitExceededError: the node would get more rows of totals than it may have.
    """
    identity = {name: getattr(batch, name) for name in _IDENTITY}
    if connection.execute(_KNOWN, _where(identity)).first() is not None:
        return False
    connection.execute(_ADD_BATCH, {**identity, "received_at_ms": now_ms})
    new = [(key, total) for key, total in telemetry_ingest.add_up(batch).items() if not _merge(connection, key, total)]
    if new:
        _check_room(connection, batch.node_id, len(new))
        connection.execute(_ADD_TOTAL, [{**vars(key), **_values(total)} for key, total in new])
    if batch.events:
        rows = [
            {
                **identity,
                "position": position,
                "at_ms": min(event.at_ms, now_ms),
                "kind": event.kind,
                "model": event.model,
                "detail": event.detail,
            }
            for position, event in enumerate(batch.events)
        ]
        connection.execute(_ADD_EVENTS, rows)
    return True


def prune(connection: Connection, *, before_ms: int) -> int:
    """Forget which batches arrived before, and node events older than that; returns how many batches.

    Totals stay. A batch re-sent after that would count twice, so agents drop spooled batches much earlier.
    """
    connection.execute(delete(node_events).where(node_events.c.at_ms < before_ms))
    return connection.execute(delete(telemetry_batches).where(telemetry_batches.c.received_at_ms < before_ms)).rowcount


def summary(connection: Connection) -> tuple[TelemetryRow, ...]:
    """Totals of every node, by node, model, version and variant."""
    columns = telemetry_totals.c
    rows = connection.execute(
        select(telemetry_totals).order_by(columns.node_id, columns.model, columns.version, columns.variant_digest)
    )
    return tuple(_row(row) for row in rows)


def events(connection: Connection, *, limit: int) -> tuple[NodeEventRow, ...]:
    """The newest events of all nodes."""
    columns = node_events.c
    rows = connection.execute(
        select(columns.node_id, columns.at_ms, columns.kind, columns.model, columns.detail)
        .order_by(columns.at_ms.desc(), columns.node_id, columns.sequence, columns.position)
        .limit(limit)
    )
    return tuple(NodeEventRow(**row._mapping) for row in rows)  # noqa: SLF001


def _merge(connection: Connection, key: TotalKey, total: Total) -> bool:
    """Add to the row of the key, if there is one."""
    is_key = _where(vars(key))
    row = connection.execute(_TOTAL, is_key).first()
    if row is None:
        return False
    before = _total(row)
    before.merge(total)
    connection.execute(_SET_TOTAL, {**is_key, **_values(before)})
    return True


def _check_room(connection: Connection, node_id: str, new: int) -> None:
    held = connection.execute(_HELD, {"is_node_id": node_id}).scalar_one()
    if held + new > MAX_TOTALS_PER_NODE:
        raise LimitExceededError(
            what=f"telemetry totals of {node_id}", limit=MAX_TOTALS_PER_NODE, got=held + new, unit="rows"
        )


def _where(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"is_{name}": value for name, value in values.items()}


def _values(total: Total) -> dict[str, Any]:
    return {
        **total.counts,
        "batches": total.batches,
        "first_ms": total.first_ms,
        "last_ms": total.last_ms,
        "latency_us": _sketch_encoder.encode(total.latency_us),
    }


def _total(row: Row[tuple[object, ...]]) -> Total:
    return Total(
        counts={name: row._mapping[name] for name in COUNTERS},  # noqa: SLF001
        batches=row.batches,
        first_ms=row.first_ms,
        last_ms=row.last_ms,
        latency_us=_sketch_decoder.decode(row.latency_us),
    )


def _row(row: Row[tuple[object, ...]]) -> TelemetryRow:
    total = _total(row)
    return TelemetryRow(
        node_id=row.node_id,
        model=row.model,
        version=row.version,
        variant_digest=row.variant_digest,
        profile=row.profile,
        **total.counts,
        batches=total.batches,
        first_ms=total.first_ms,
        last_ms=total.last_ms,
        p50_us=_finite(total.latency_us.quantile(0.50)),
        p99_us=_finite(total.latency_us.quantile(0.99)),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
