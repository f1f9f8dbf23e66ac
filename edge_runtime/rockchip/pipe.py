"""Bytes to and from a child process, with a deadline on every wait."""

from __future__ import annotations

import os
import selectors
import time
from typing import IO


class PipeEndedError(Exception):
    """The other side closed its end."""


class PipeTimeoutError(Exception):
    """The other side did not read or write in time."""


class Pipe:
    """``source`` is what the child writes, ``sink`` what it reads. Every call has ``timeout_s`` seconds in all."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source.fileno(), sink.fileno()
        os.set_blocking(self._source, False)
        os.set_blocking(self._sink, False)

    def read(self, count: int, timeout_s: float) -> bytes:
        """Exactly ``count`` bytes."""
        deadline, found = time.monotonic() + timeout_s, bytearray()
        while len(found) < count:
            _wait(self._source, selectors.EVENT_READ, deadline)
            chunk = os.read(self._source, count - len(found))
            if not chunk:
                raise PipeEndedError
            found += chunk
        return bytes(found)

    def write(self, data: bytes | memoryview, timeout_s: float) -> None:
        """All of ``data``."""
        deadline, left = time.monotonic() + timeout_s, memoryview(data)
        while left:
            _wait(self._sink, selectors.EVENT_WRITE, deadline)
            try:
                left = left[os.write(self._sink, left) :]
            except BrokenPipeError:
                raise PipeEndedError from None


def _wait(descriptor: int, event: int, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise PipeTimeoutError
