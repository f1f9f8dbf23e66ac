"""Instances of one module for calls from several threads: each call has one to itself, made when first needed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from edge_bundle.errors import AlreadyClosedError
from edge_runtime.wasm.instance import Instance


class Pool:
    """At most ``limit`` instances. While one is idle, taking and giving it back costs no lock."""

    def __init__(self, make: Callable[[], Instance], limit: int) -> None:
        self._make, self._limit = make, limit
        self._idle: deque[Instance] = deque()
        self._changed = threading.Condition()
        self._made = self._waiting = 0
        self._closed = False

    @property
    def made(self) -> int:
        """Instances alive now."""
        return self._made

    def take(self) -> Instance:
        """An idle instance, a new one, or the next to be given back.

        Raises ``AlreadyClosedError``, or the ``EngineError`` of an instance that cannot start.
        """
        try:
            return self._idle.pop()  # atomic; the one used last, whose memory is still in the CPU's cache
        except IndexError:
            return self._take_new_or_wait()

    def give(self, instance: Instance) -> None:
        """Give an instance back after a run."""
        self._idle.append(instance)
        if self._waiting:
            with self._changed:
                self._changed.notify()
        if self._closed:
            self._close_idle()

    def drop(self, instance: Instance) -> None:
        """Close an instance whose run failed: what its memory holds now is nobody's guess."""
        instance.close()
        self._one_less()

    def close(self) -> None:
        """Close the idle instances now, those in use when they are given back."""
        with self._changed:
            self._closed = True
            self._make = _refuse  # the module's code is freed with the last instance
            self._changed.notify_all()
        self._close_idle()

    def _take_new_or_wait(self) -> Instance:
        with self._changed:
            self._waiting += 1  # first: whoever gives one back from now on sees that somebody waits
            try:
                instance = self._await_idle()
            finally:
                self._waiting -= 1
            if instance is not None:
                return instance
            self._made += 1
        try:
            return self._make()
        except BaseException:
            self._one_less()
            raise

    def _await_idle(self) -> Instance | None:
        """An idle instance, or ``None`` where one more may be made. The lock is held."""
        while True:
            if self._closed:
                _refuse()
            if self._idle:
                try:
                    return self._idle.pop()
                except IndexError:  # taken meanwhile by somebody who did not have to wait
                    continue
            if self._made < self._limit:
                return None
            self._changed.wait()

    def _one_less(self) -> None:
        with self._changed:
            self._made -= 1
            self._changed.notify()

    def _close_idle(self) -> None:
        while self._idle:
            try:
                instance = self._idle.pop()
            except IndexError:
                return
            self.drop(instance)


def _refuse() -> NoReturn:
    raise AlreadyClosedError(what="the wasm engine")
