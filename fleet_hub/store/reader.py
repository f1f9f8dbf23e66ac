"""Reads: their own connections, in threads, so that the event loop never waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")


class Reader:
    """Runs read-only work on pooled connections; WAL gives each a consistent view beside the writer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def now(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in this thread."""
        with self._engine.connect() as connection:
            return work(connection)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a thread of the pool."""
        return await asyncio.to_thread(self.now, work)
