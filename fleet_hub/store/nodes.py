"""Nodes and the tokens they enrol with."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from edge_bundle import canonical
from edge_bundle.errors import NotFoundError
from edge_bundle.keys import PublicKey
from edge_bundle.messages import EnrolRequest, PollRequest, SlotReport
from fleet_hub.api import NodeRow, RunningRow
from fleet_hub.rules import enrolment, roles
from fleet_hub.rules.enrolment import TokenState
from fleet_hub.rules.rollout import NodeState
from fleet_hub.store import audit_log
from fleet_hub.store.tables import enrol_tokens, nodes, rollout_nodes, rollouts, slots


def add_token(
    connection: Connection, token_hash: str, labels: dict[str, str], *, now_ms: int, expires_at_ms: int, actor: str
) -> None:
    """Remember a new enrolment token by its hash."""
    connection.execute(
        insert(enrol_tokens).values(
            token_hash=token_hash, labels=_json(labels), created_at_ms=now_ms, expires_at_ms=expires_at_ms
        )
    )
    audit_log.append(
        connection,
        at_ms=now_ms,
        actor=actor,
        action="token.create",
        subject=token_hash,
        detail={"labels": labels, "expires_at_ms": expires_at_ms},
    )


def enrol(connection: Connection, request: EnrolRequest, key: PublicKey, *, now_ms: int) -> str:
    """Spend the token and bind the key; returns the node id. A key that is known keeps its identity.

    The same token again is the same enrolment, whose answer may have got lost: it changes nothing, whatever it says.

    Raises RefusedError: the token is unknown, expired, or spent by another key.
    """
    token_hash = roles.hash_token(request.token)
    row = connection.execute(select(enrol_tokens).where(enrol_tokens.c.token_hash == token_hash)).first()
    state = TokenState(_labels(row.labels), row.expires_at_ms, row.used_by_keyid) if row else None
    token = enrolment.check_token(state, keyid=key.keyid, now_ms=now_ms)
    known = connection.execute(select(nodes.c.node_id).where(nodes.c.keyid == key.keyid)).scalar()
    if known is not None and token.used_by_keyid == key.keyid:
        return str(known)
    connection.execute(
        update(enrol_tokens).where(enrol_tokens.c.token_hash == token_hash).values(used_by_keyid=key.keyid)
    )
    node_id = _bind(connection, request, key, token, known, now_ms)
    audit_log.append(
        connection,
        at_ms=now_ms,
        actor=node_id,
        action="node.enrol",
        subject=node_id,
        detail={"keyid": key.keyid, "profile": request.profile, "token": token_hash},
    )
    return node_id


def _bind(
    connection: Connection, request: EnrolRequest, key: PublicKey, token: TokenState, known: str | None, now_ms: int
) -> str:
    values = {
        "profile": request.profile,
        "agent_version": request.agent_version,
        "labels": _json(enrolment.merge_labels(request.labels, token.labels)),
        "machine": _json(request.machine),
        "last_seen_ms": now_ms,
    }
    if known is not None:
        connection.execute(update(nodes).where(nodes.c.node_id == known).values(values))
        return known
    node_id = enrolment.node_id(request.node_name, key.keyid)
    connection.execute(
        insert(nodes).values(
            node_id=node_id,
            keyid=key.keyid,
            public_key=key.to_text(),
            name=request.node_name,
            boot_id="",
            enrolled_at_ms=now_ms,
            **values,
        )
    )
    return node_id


def keys(connection: Connection) -> dict[str, PublicKey]:
    """The key of every node, by node id."""
    rows = connection.execute(select(nodes.c.node_id, nodes.c.public_key))
    return {row.node_id: PublicKey.from_text(row.public_key) for row in rows}


def touch(connection: Connection, node_id: str, report: PollRequest, *, now_ms: int) -> NodeRow:
    """Note a sign of life and what runs now; returns the node.

    Raises NotFoundError: no such node.
    """
    changed = connection.execute(
        update(nodes)
        .where(nodes.c.node_id == node_id)
        .values(last_seen_ms=now_ms, boot_id=report.boot_id, profile=report.profile, agent_version=report.agent_version)
    )
    if changed.rowcount == 0:
        raise NotFoundError(what="node", name=node_id)
    _replace_slots(connection, node_id, report.slots)
    return _node(connection.execute(select(nodes).where(nodes.c.node_id == node_id)).one())


def _replace_slots(connection: Connection, node_id: str, reports: tuple[SlotReport, ...]) -> None:
    before = {
        row.model: {name: value for name, value in row._mapping.items() if name != "node_id"}  # noqa: SLF001
        for row in connection.execute(select(slots).where(slots.c.node_id == node_id))
    }
    now = {report.model: msgspec.to_builtins(report) for report in reports}
    if now == before:
        return
    connection.execute(slots.delete().where(slots.c.node_id == node_id))
    if now:
        connection.execute(insert(slots), [{"node_id": node_id, **values} for values in now.values()])


def count(connection: Connection) -> int:
    """How many nodes there are."""
    return int(connection.execute(select(func.count()).select_from(nodes)).scalar_one())


def all_nodes(connection: Connection) -> tuple[NodeRow, ...]:
    """Every node, by id."""
    return tuple(_node(row) for row in connection.execute(select(nodes).order_by(nodes.c.node_id)))


def running(connection: Connection) -> tuple[RunningRow, ...]:
    """What runs where, by node and model."""
    brought_by = {
        (row.node_id, row.model, row.version): row.rollout_id
        for row in connection.execute(
            select(rollout_nodes.c.node_id, rollouts.c.model, rollouts.c.version, rollouts.c.rollout_id)
            .join(rollouts, rollouts.c.rollout_id == rollout_nodes.c.rollout_id)
            .where(rollout_nodes.c.state == NodeState.ACTIVATED)
            .order_by(rollouts.c.seq)
        )
    }
    rows = connection.execute(
        select(slots, nodes.c.last_seen_ms)
        .join(nodes, nodes.c.node_id == slots.c.node_id)
        .order_by(slots.c.node_id, slots.c.model)
    )
    return tuple(
        RunningRow(
            node_id=row.node_id,
            model=row.model,
            version=row.version,
            bundle_digest=row.bundle_digest,
            variant_digest=row.variant_digest,
            profile=row.profile,
            runtime=row.runtime,
            since_ms=row.activated_at_ms,
            last_seen_ms=row.last_seen_ms,
            previous_version=row.previous_version,
            rollout_id=brought_by.get((row.node_id, row.model, row.version)),
        )
        for row in rows
    )


def _node(row: Row[tuple[object, ...]]) -> NodeRow:
    return NodeRow(
        node_id=row.node_id,
        name=row.name,
        profile=row.profile,
        agent_version=row.agent_version,
        labels=_labels(row.labels),
        machine=_labels(row.machine),
        keyid=row.keyid,
        enrolled_at_ms=row.enrolled_at_ms,
        last_seen_ms=row.last_seen_ms,
    )


def _json(labels: dict[str, str]) -> str:
    return canonical.dumps(labels).decode()


def _labels(text: str) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])
