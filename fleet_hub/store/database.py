"""Opening the hub's database: SQLite in WAL mode, migrated to the newest schema before anybody uses it.

Source of the settings: https://www.sqlite.org/wal.html and https://www.sqlite.org/pragma.html.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from edge_bundle.errors import UnavailableError

BUSY_TIMEOUT_MS = 10_000
"""How long a connection waits for another one's lock before it gives up."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",  # readers and the writer do not block each other
    "PRAGMA synchronous=FULL",  # an answered request survives power loss
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
)


def open_engine(path: Path, *, begin: str = "BEGIN") -> Engine:
    """An engine on one SQLite file. ``begin`` is the statement that opens each transaction.

    The driver's own transaction handling is off (it commits at odd times); SQLAlchemy's events open transactions.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest migration; harmless when it is there already.

    Raises UnavailableError: the disk is full, or the database cannot be opened.
    """
    try:
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")
    except SQLAlchemyError as error:
        raise trouble(error) from error


def trouble(error: SQLAlchemyError) -> UnavailableError:
    """What the database itself said, without the statement and the links that SQLAlchemy adds."""
    cause = getattr(error, "orig", None) or error
    return UnavailableError(what="the hub's database", detail=str(cause), advice="see that its disk has room and works")


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for the packaged migrations over an open connection."""
    config = Config()
    config.set_main_option("script_location", "fleet_hub:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
