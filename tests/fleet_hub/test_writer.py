from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import IntegrityError

from edge_bundle.errors import AlreadyClosedError, DigestMismatchError
from fleet_hub.rules import audit as chain
from fleet_hub.store import audit_log, database
from fleet_hub.store.tables import audit, metadata, principals
from fleet_hub.store.writer import Writer


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = database.open_engine(tmp_path / "odd name ?#%.db", begin="BEGIN IMMEDIATE")
    database.migrate(made)
    yield made
    made.dispose()


def add(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.execute(insert(principals).values(token_hash=name, name=name, role="viewer", created_at_ms=1))
        return name

    return work


def add_then_fail(name: str) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        add(name)(connection)
        raise KeyError(name)

    return work


def names(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(principals.c.name)).scalars())


def test_migrations_lead_to_the_declared_tables(engine: Engine) -> None:
    database.migrate(engine)  # again: harmless
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_settings_hold_on_every_connection(engine: Engine) -> None:
    with engine.connect() as connection:
        read = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert read == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_failing_closure_is_undone_alone(engine: Engine) -> None:
    gate = threading.Event()
    with Writer(engine) as writer:
        blocked = writer.submit(lambda _: gate.wait())  # what follows queues up and becomes one batch
        good = [writer.submit(add(f"good-{i}")) for i in range(5)]
        bad, twice = writer.submit(add_then_fail("bad")), writer.submit(add("good-0"))
        later = writer.submit(add("later"))
        gate.set()
        assert blocked.result() is True
        assert [future.result() for future in good] == [f"good-{i}" for i in range(5)]
        with pytest.raises(KeyError):
            bad.result()
        with pytest.raises(IntegrityError):
            twice.result()
        assert later.result() == "later"
        assert writer.commits <= 2
    assert names(engine) == {"later", *(f"good-{i}" for i in range(5))}


def test_result_comes_after_the_commit(engine: Engine) -> None:
    with Writer(engine) as writer:
        writer.submit(add("durable")).result()
        assert names(engine) == {"durable"}  # seen over another connection


def test_close_finishes_what_was_queued_and_then_refuses(engine: Engine) -> None:
    writer = Writer(engine)
    futures = [writer.submit(add(str(i))) for i in range(20)]
    writer.close()
    writer.close()
    assert all(future.done() for future in futures)
    assert len(names(engine)) == 20
    with pytest.raises(AlreadyClosedError):
        writer.submit(add("late"))


def test_cancelled_work_is_not_done(engine: Engine) -> None:
    gate = threading.Event()
    with Writer(engine) as writer:
        writer.submit(lambda _: gate.wait())
        future = writer.submit(add("cancelled"))
        assert future.cancel()
        gate.set()
    assert names(engine) == set()


def test_many_threads_share_commits(engine: Engine) -> None:
    with Writer(engine) as writer:
        futures = [writer.submit(add(f"n{i}")) for i in range(300)]
        for future in futures:
            future.result()
        assert writer.closures == 300
        assert writer.commits < 300


def _log(writer: Writer, count: int) -> None:
    for number in range(count):
        event = partial(
            audit_log.append, at_ms=number, actor="test", action="do", subject=f"thing {number}", detail={"n": number}
        )
        writer.submit(event).result()


def test_audit_chain_holds_and_every_tampering_shows(engine: Engine) -> None:
    with Writer(engine) as writer:
        _log(writer, 4)
    with engine.connect() as connection:
        events = list(audit_log.events(connection))
    assert chain.find_break(events) is None
    fields = {"at_ms": 99, "actor": "other", "action": "undo", "subject": "x", "detail": "{}", "hash": chain.GENESIS}
    for field, value in fields.items():
        changed = [*events]
        changed[1] = chain.AuditEvent(**{**vars(events[1]), field: value})
        with pytest.raises(DigestMismatchError):
            chain.verify_chain(changed)
    for broken in (events[1:], [*events[:1], *events[2:]], [events[1], events[0], *events[2:]], [*events, events[-1]]):
        with pytest.raises(DigestMismatchError):
            chain.verify_chain(broken)


def test_tampered_database_shows_in_the_chain(engine: Engine) -> None:
    with Writer(engine) as writer:
        _log(writer, 3)
        writer.submit(lambda c: c.exec_driver_sql("UPDATE audit SET actor = 'nobody' WHERE seq = 2")).result()
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(audit)).scalar() == 3
        with pytest.raises(DigestMismatchError, match="audit event 2"):
            chain.verify_chain(audit_log.events(connection))
