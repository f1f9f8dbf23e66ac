"""LiteRT says once in each process, on stderr, that it made its XNNPACK delegate. This takes that line away.

Its C++ logger has no switch, neither an environment variable nor a symbol that is exported. So while a process's first
interpreter is prepared, its stderr is a temporary file; whatever else was written there meanwhile, by any thread, is
then passed on.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable

NOTICE = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."

_STDERR = 2
_lock = threading.Lock()
_said = threading.Event()


def once_quietly(prepare: Callable[[], None]) -> None:
    """Call ``prepare``; the first time in this process without that line on stderr."""
    if _said.is_set():
        prepare()
        return
    with _lock:
        if _said.is_set():
            prepare()
            return
        without_notice(prepare)
        _said.set()


def without_notice(prepare: Callable[[], None]) -> None:
    """Call ``prepare`` with stderr in a file, and pass on all of it but the line; on a full disk, the line too."""
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    except OSError:
        prepare()
        return
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    try:
        with file:
            os.dup2(file.fileno(), _STDERR)
            try:
                prepare()
            finally:
                sys.stderr.flush()
                os.dup2(kept, _STDERR)
                file.seek(0)
                rest = b"".join(line for line in file if line.rstrip(b"\n") != NOTICE)
                if rest:
                    os.write(_STDERR, rest)
    finally:
        os.close(kept)
