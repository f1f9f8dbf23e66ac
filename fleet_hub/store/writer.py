"""The only writer: one thread, one connection, group commit.

Callers queue closures; each batch of them runs in one transaction with one fsync. Every closure runs inside its own
savepoint, so one that fails is undone alone and its caller alone gets the error.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from edge_bundle.errors import AlreadyClosedError, UnavailableError
from fleet_hub.store import database

T = TypeVar("T")

MAX_BATCH = 256
"""Closures in one transaction: bounds how long the first of them waits for its commit."""

MAX_QUEUE = 10_000
"""Closures waiting; above that the hub says it is busy instead of growing without bound."""


@dataclass(frozen=True)
class _Job:
    work: Callable[[Connection], Any]
    future: Future[Any]


class Writer:
    """Owns the write connection. ``close()`` finishes what was queued, then ends the thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.Queue[_Job | None] = queue.Queue(MAX_QUEUE)
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="hub-writer")
        self._thread.start()
        self.commits = 0
        self.closures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue ``work``; the future is done once its transaction is on the disk.

        Raises AlreadyClosedError, or UnavailableError when the queue is full.
        """
        if self._closed:
            raise AlreadyClosedError(what="the database writer")
        future: Future[T] = Future()
        try:
            self._queue.put_nowait(_Job(work, future))
        except queue.Full:
            raise UnavailableError(
                what="the hub's database", detail=f"{MAX_QUEUE} writes are waiting already", advice="try again later"
            ) from None
        return future

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Queue ``work`` and await its commit."""
        return await asyncio.wrap_future(self.submit(work))

    def close(self) -> None:
        """Stop taking work, finish what was queued, end the thread."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _loop(self) -> None:
        with self._engine.connect() as connection:
            while (first := self._queue.get()) is not None:
                batch, last = self._drain(first)
                self._run_batch(connection, batch)
                if last:
                    return

    def _drain(self, first: _Job) -> tuple[list[_Job], bool]:
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _run_batch(self, connection: Connection, batch: list[_Job]) -> None:
        done: list[tuple[_Job, Any]] = []
        try:
            with connection.begin():
                for job in batch:
                    if job.future.set_running_or_notify_cancel():
                        self._run_job(connection, job, done)
        except SQLAlchemyError as error:
            for job in batch:
                if not job.future.done():
                    job.future.set_exception(database.trouble(error))
            return
        self.commits += 1
        self.closures += len(done)
        for job, result in done:
            job.future.set_result(result)

    @staticmethod
    def _run_job(connection: Connection, job: _Job, done: list[tuple[_Job, Any]]) -> None:
        try:
            with connection.begin_nested():
                result = job.work(connection)
        except Exception as error:  # noqa: BLE001 - not swallowed: it is the caller's, who gets it from the future
            job.future.set_exception(error)
        else:
            done.append((job, result))
