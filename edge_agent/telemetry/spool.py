"""Telemetry batches waiting on disk until the hub has them. Survives kill -9 and power loss, bounded by size and age.

SQLite in WAL mode with ``synchronous=FULL``: what ``append`` returned for is on the disk (sqlite.org/pragma.html).
Sequence numbers come from a counter in the same transaction, so none is ever used twice. The calls block for a disk
flush and take a lock; from asyncio call them in a thread.
"""

from __future__ import annotations

import contextlib
import enum
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from edge_agent.disk import FILE_MODE
from edge_agent.telemetry.batch import encode_batch
from edge_bundle.errors import AlreadyClosedError, UnavailableError
from edge_bundle.telemetry import EventRecord, ServingRecord, TelemetryBatch

BUSY_TIMEOUT_S = 5.0
"""Wait for another process (``skerry agent status``) that reads the spool."""

JOURNAL_LIMIT_BYTES = 4 << 20
"""The WAL file is cut back to this after a checkpoint."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    sequence INTEGER PRIMARY KEY,
    priority INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS batch_order ON batch (priority, sequence);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES ('sequence', 0), ('bytes', 0), ('dropped_batches', 0), ('dropped_bytes', 0);
CREATE TRIGGER IF NOT EXISTS batch_in AFTER INSERT ON batch BEGIN
    UPDATE counter SET value = value + LENGTH(NEW.payload) WHERE name = 'bytes';
END;
CREATE TRIGGER IF NOT EXISTS batch_out AFTER DELETE ON batch BEGIN
    UPDATE counter SET value = value - LENGTH(OLD.payload) WHERE name = 'bytes';
END;
"""
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


class Priority(enum.IntEnum):
    """What goes first when the spool is full is sent last: counters before events."""

    SERVING = 0
    EVENTS = 1


class Spooled(NamedTuple):
    """One batch as it is sent, byte for byte the same at every attempt."""

    sequence: int
    payload: bytes


class Dropped(NamedTuple):
    """What was lost to the bounds since the spool was made."""

    batches: int
    nbytes: int


@dataclass(frozen=True, kw_only=True)
class SpoolLimits:
    """Bounds of the spool: payload bytes, and the age at which a batch is of no more use."""

    max_bytes: int = 64 << 20
    max_age_s: float = 7 * 86400.0


class Spool:
    """The queue of one node. Batches of an earlier boot keep the identity they were made with.

    ``clock`` gives Unix seconds. Raises ``UnavailableError`` when the disk refuses (full, read-only). A damaged file is
    put aside as ``NAME.damaged`` and ``damaged`` is set: an agent must not stop serving for the sake of its counters.
    """

    def __init__(
        self,
        path: Path,
        *,
        node_id: str,
        boot_id: str,
        limits: SpoolLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._node_id, self._boot_id = path, node_id, boot_id
        self._limits, self._clock = limits or SpoolLimits(), clock
        self._lock = threading.Lock()
        self._closed = False
        self.damaged = False
        with _translated(path):
            try:
                self._db = _open(path)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in _DAMAGED:
                    raise
                _put_aside(path)
                self.damaged = True
                self._db = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; what was appended stays."""
        with self._lock:
            self._closed = True
            self._db.close()

    def append(
        self, *, serving: Sequence[ServingRecord] = (), events: Sequence[EventRecord] = (), priority: Priority
    ) -> int:
        """Store one batch durably and return its sequence number; makes room by dropping, see ``trim``."""
        with self._transaction() as db:
            db.execute("UPDATE counter SET value = value + 1 WHERE name = 'sequence'")
            sequence = _counter(db, "sequence")
            batch = TelemetryBatch(
                node_id=self._node_id,
                boot_id=self._boot_id,
                sequence=sequence,
                serving=tuple(serving),
                events=tuple(events),
            )
            row = (sequence, int(priority), int(self._clock() * 1000), encode_batch(batch))
            db.execute("INSERT INTO batch (sequence, priority, created_ms, payload) VALUES (?, ?, ?, ?)", row)
            self._trim(db)
        return sequence

    def peek(self) -> Spooled | None:
        """The batch to send next: highest priority first, then oldest first; None when all is sent."""
        with self._transaction() as db:
            self._trim(db)
            row = db.execute("SELECT sequence, payload FROM batch ORDER BY priority DESC, sequence LIMIT 1").fetchone()
        return None if row is None else Spooled(*row)

    def delete(self, sequence: int) -> None:
        """Forget a batch that the hub has accepted."""
        with self._transaction() as db:
            db.execute("DELETE FROM batch WHERE sequence = ?", (sequence,))

    def discard(self, sequence: int) -> None:
        """Forget a batch that can never be accepted, and count it as dropped."""
        with self._transaction() as db:
            _drop(db, "sequence = ?", (sequence,))

    def dropped(self) -> Dropped:
        """What was lost to the bounds so far, over all boots."""
        with self._transaction() as db:
            return Dropped(_counter(db, "dropped_batches"), _counter(db, "dropped_bytes"))

    def pending(self) -> int:
        """Batches waiting."""
        with self._transaction() as db:
            return int(db.execute("SELECT COUNT(*) FROM batch").fetchone()[0])

    def _trim(self, db: sqlite3.Connection) -> None:
        """Drop what is too old, then the oldest batch of the lowest priority until the rest fits."""
        oldest_ms = int((self._clock() - self._limits.max_age_s) * 1000)
        _drop(db, "created_ms < ?", (oldest_ms,))
        while _counter(db, "bytes") > self._limits.max_bytes:
            _drop(db, "sequence = (SELECT sequence FROM batch ORDER BY priority, sequence LIMIT 1)", ())

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise AlreadyClosedError(what=f"telemetry spool {self._path}")
            with _translated(self._path):
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise UnavailableError(what=f"telemetry spool {path}", detail=str(error), advice="check the disk") from error


def _open(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(OSError):  # SQLite says better what is wrong, and gives its journals the same mode
        path.touch(mode=FILE_MODE)
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA journal_size_limit={JOURNAL_LIMIT_BYTES}")
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        db.execute("SELECT COUNT(*), SUM(LENGTH(payload)) FROM batch").fetchone()  # reads every row's page
    except sqlite3.Error:
        db.close()
        raise
    return db


def _put_aside(path: Path) -> None:
    path.replace(path.with_name(f"{path.name}.damaged"))
    for journal in ("-wal", "-shm"):
        path.with_name(path.name + journal).unlink(missing_ok=True)


def _counter(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()[0])


def _drop(db: sqlite3.Connection, condition: str, values: tuple[int, ...]) -> None:
    query = f"SELECT COUNT(*), COALESCE(SUM(LENGTH(payload)), 0) FROM batch WHERE {condition}"  # noqa: S608 - constants
    batches, nbytes = db.execute(query, values).fetchone()
    if batches:
        db.execute(f"DELETE FROM batch WHERE {condition}", values)  # noqa: S608 - constants
        db.execute("UPDATE counter SET value = value + ? WHERE name = 'dropped_batches'", (batches,))
        db.execute("UPDATE counter SET value = value + ? WHERE name = 'dropped_bytes'", (nbytes,))
