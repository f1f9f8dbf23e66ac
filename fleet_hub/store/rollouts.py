"""Rollouts and where each of their nodes is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from edge_bundle import canonical
from edge_bundle.errors import NotFoundError
from edge_bundle.messages import SlotReport, UpdateOutcome, UpdateResult
from fleet_hub.api import NodeRow, ReleaseRow, RolloutNodeRow, RolloutRequest, RolloutRow
from fleet_hub.rules import rollout as rules
from fleet_hub.rules.rollout import NodeState, Ordered, Rollout, Selector
from fleet_hub.store import audit_log, nodes, releases
from fleet_hub.store.tables import nodes as node_table
from fleet_hub.store.tables import rollout_nodes, rollouts


def start(connection: Connection, request: RolloutRequest, *, now_ms: int, actor: str) -> RolloutRow:
    """Start a rollout over every selected node; older unfinished ones of the same model let go of these nodes.

    Raises NotFoundError: no such release, or it has no variant for the profile.
    ConflictError: a selected node was ordered a higher version before.
    """
    _check_profile(releases.get(connection, request.model, request.version), request.profile)
    selector = Selector(request.labels, request.profile)
    selected = [
        node.node_id
        for node in nodes.all_nodes(connection)
        if selector.selects(labels=node.labels, profile=node.profile)
    ]
    rules.check_forward(request.model, request.version, _ordered(connection, request.model, frozenset(selected)))
    seq = (connection.execute(select(func.max(rollouts.c.seq))).scalar() or 0) + 1
    rollout_id = f"{request.model}-{seq}"
    connection.execute(
        insert(rollouts).values(
            rollout_id=rollout_id,
            seq=seq,
            model=request.model,
            version=request.version,
            labels=canonical.dumps(request.labels).decode(),
            profile=request.profile,
            started_at_ms=now_ms,
            started_by=actor,
        )
    )
    for node_id in selected:
        _join(connection, _one(connection, rollout_id), node_id, now_ms)
    audit_log.append(
        connection,
        at_ms=now_ms,
        actor=actor,
        action="rollout.start",
        subject=rollout_id,
        detail=msgspec.to_builtins(request),
    )
    return get(connection, rollout_id)


def report(connection: Connection, node: NodeRow, outcomes: tuple[UpdateOutcome, ...], *, now_ms: int) -> None:
    """Take in what became of earlier orders."""
    for outcome in outcomes:
        state = _state(connection, outcome.rollout_id, node.node_id)
        if state is None:
            continue  # a rollout this node never had a part in: nothing to note
        after = rules.after_result(state, outcome.result)
        if after != state or after == NodeState.FAILED:
            _set_state(connection, outcome.rollout_id, node.node_id, after, outcome.error, outcome.detail, now_ms)
        if after != state:
            audit_log.append(
                connection,
                at_ms=now_ms,
                actor=node.node_id,
                action=f"update.{outcome.result}",
                subject=f"{outcome.model}/{outcome.version}",
                detail={"rollout_id": outcome.rollout_id, "error": outcome.error, "detail": outcome.detail},
            )


def orders(connection: Connection, node: NodeRow, slots: tuple[SlotReport, ...], *, now_ms: int) -> tuple[Rollout, ...]:
    """The rollouts whose releases the node is told to run, activated ones too: its disk may have been replaced.

    A node that enrolled or changed its profile after the start joins here; one that already runs the release counts as
    activated even if its outcome got lost.
    """
    running = {slot.model: slot.version for slot in slots}
    wanted = rules.newest_per_model(_all(connection), labels=node.labels, profile=node.profile)
    for rollout in wanted:
        state = _state(connection, rollout.rollout_id, node.node_id)
        if state is None:
            _join(connection, rollout, node.node_id, now_ms)
            state = NodeState.PENDING
        if running.get(rollout.model) == rollout.version:
            after = rules.after_result(state, UpdateResult.ACTIVATED)
            if after != state:
                _set_state(connection, rollout.rollout_id, node.node_id, after, "", "", now_ms)
    return wanted


def get(connection: Connection, rollout_id: str) -> RolloutRow:
    """One rollout with its nodes.

    Raises NotFoundError.
    """
    row = connection.execute(select(rollouts).where(rollouts.c.rollout_id == rollout_id)).first()
    if row is None:
        raise NotFoundError(what="rollout", name=rollout_id)
    return _row(connection, row)


def all_rollouts(connection: Connection) -> tuple[RolloutRow, ...]:
    """Every rollout, newest first."""
    return tuple(
        _row(connection, row) for row in connection.execute(select(rollouts).order_by(rollouts.c.seq.desc())).all()
    )


def _check_profile(release: ReleaseRow, profile: str | None) -> None:
    profiles = sorted(variant.profile for variant in release.variants)
    if profile is not None and profile not in profiles:
        raise NotFoundError(
            what=f"variant of {release.model} {release.version}",
            name=profile,
            advice=f"the release has: {', '.join(profiles)}",
        )


def _ordered(connection: Connection, model: str, node_ids: frozenset[str]) -> list[Ordered]:
    rows = connection.execute(
        select(rollout_nodes.c.node_id, rollouts.c.version, rollout_nodes.c.state)
        .join(rollouts, rollouts.c.rollout_id == rollout_nodes.c.rollout_id)
        .where(rollouts.c.model == model)
    )
    return [Ordered(row.node_id, row.version, NodeState(row.state)) for row in rows if row.node_id in node_ids]


def _join(connection: Connection, rollout: Rollout, node_id: str, now_ms: int) -> None:
    older = select(rollouts.c.rollout_id).where(rollouts.c.model == rollout.model, rollouts.c.seq < rollout.seq)
    connection.execute(
        update(rollout_nodes)
        .where(
            rollout_nodes.c.node_id == node_id,
            rollout_nodes.c.rollout_id.in_(older),
            rollout_nodes.c.state.in_([NodeState.PENDING, NodeState.FAILED]),
        )
        .values(state=NodeState.SUPERSEDED, changed_at_ms=now_ms)
    )
    connection.execute(
        insert(rollout_nodes).values(
            rollout_id=rollout.rollout_id,
            node_id=node_id,
            state=NodeState.PENDING,
            error="",
            detail="",
            changed_at_ms=now_ms,
        )
    )


def _state(connection: Connection, rollout_id: str, node_id: str) -> NodeState | None:
    state = connection.execute(
        select(rollout_nodes.c.state).where(
            rollout_nodes.c.rollout_id == rollout_id, rollout_nodes.c.node_id == node_id
        )
    ).scalar()
    return None if state is None else NodeState(state)


def _set_state(
    connection: Connection, rollout_id: str, node_id: str, state: NodeState, error: str, detail: str, now_ms: int
) -> None:
    connection.execute(
        update(rollout_nodes)
        .where(rollout_nodes.c.rollout_id == rollout_id, rollout_nodes.c.node_id == node_id)
        .values(state=state, error=error, detail=detail, changed_at_ms=now_ms)
    )


def _one(connection: Connection, rollout_id: str) -> Rollout:
    return _rollout(connection.execute(select(rollouts).where(rollouts.c.rollout_id == rollout_id)).one())


def _all(connection: Connection) -> list[Rollout]:
    return [_rollout(row) for row in connection.execute(select(rollouts))]


def _rollout(row: Row[tuple[object, ...]]) -> Rollout:
    return Rollout(row.rollout_id, row.seq, row.model, row.version, Selector(_labels(row.labels), row.profile))


def _row(connection: Connection, row: Row[tuple[object, ...]]) -> RolloutRow:
    found = connection.execute(
        select(rollout_nodes, node_table.c.last_seen_ms)
        .join(node_table, node_table.c.node_id == rollout_nodes.c.node_id)
        .where(rollout_nodes.c.rollout_id == row.rollout_id)
        .order_by(rollout_nodes.c.node_id)
    ).all()
    return RolloutRow(
        rollout_id=row.rollout_id,
        model=row.model,
        version=row.version,
        labels=dict(_labels(row.labels)),
        profile=row.profile,
        started_at_ms=row.started_at_ms,
        started_by=row.started_by,
        done=rules.is_done(NodeState(node.state) for node in found),
        counts=dict(Counter(node.state for node in found)),
        nodes=tuple(
            RolloutNodeRow(
                node_id=node.node_id,
                state=node.state,
                error=node.error,
                detail=node.detail,
                changed_at_ms=node.changed_at_ms,
                last_seen_ms=node.last_seen_ms,
            )
            for node in found
        ),
    )


def _labels(text: str) -> Mapping[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])
