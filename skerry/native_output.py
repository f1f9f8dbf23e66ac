"""Standard output is for results: what vendors' libraries write to it themselves goes to standard error."""

from __future__ import annotations

import ctypes
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

STDOUT, STDERR = 1, 2

NOISE = re.compile(rb"\s*# LIBNATIVE: ")
"""Lines that say nothing to anybody: QNN's emulator tells on every start that it has no configuration file."""

DRAIN_S = 1.0
"""How long what was written last is waited for, in seconds; a child that is still there may hold the pipe open."""


@contextmanager
def native_output_on_stderr() -> Iterator[None]:
    """While this holds, what is written to file descriptor 1 comes out at 2, line by line, without ``NOISE``.

    What Python writes to ``sys.stdout`` still arrives where it should. Nothing is done where that is no file of the
    process, as in tests.
    """
    before = sys.stdout
    if not _is_descriptor(before, STDOUT):
        yield
        return
    before.flush()
    own = os.dup(STDOUT)
    sys.stdout = open(own, "w", buffering=1, encoding=before.encoding, errors=before.errors, closefd=False)  # noqa: SIM115
    reading, writing = os.pipe()
    os.dup2(writing, STDOUT)
    os.close(writing)
    reader = threading.Thread(target=_pass_on, args=(reading,), name="native output", daemon=True)
    reader.start()
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout = before
        ctypes.CDLL(None).fflush(None)  # what the C library still holds back belongs to those libraries
        os.dup2(own, STDOUT)
        os.close(own)
        reader.join(DRAIN_S)


def _pass_on(descriptor: int) -> None:
    with open(descriptor, "rb") as lines:
        for line in lines:
            if not NOISE.match(line):
                os.write(STDERR, line)


def _is_descriptor(stream: TextIO | None, descriptor: int) -> bool:
    try:
        return stream is not None and stream.fileno() == descriptor
    except (OSError, ValueError):
        return False
