"""Standard output is for results: what vendors' libraries write to it themselves goes to standard error."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

STDOUT, STDERR = 1, 2


@contextmanager
def native_output_on_stderr() -> Iterator[None]:
    """While this holds, file descriptor 1 leads where 2 leads (QNN's emulator announces itself there, unasked).

    It does nothing where Python's standard output is no file of the process, as in tests.
    """
    if not _is_descriptor(sys.stdout, STDOUT):
        yield
        return
    sys.stdout.flush()
    own = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        yield
    finally:
        sys.stdout.flush()
        ctypes.CDLL(None).fflush(None)  # what the C library still holds back belongs to those libraries
        os.dup2(own, STDOUT)
        os.close(own)


def _is_descriptor(stream: TextIO | None, descriptor: int) -> bool:
    try:
        return stream is not None and stream.fileno() == descriptor
    except (OSError, ValueError):
        return False
