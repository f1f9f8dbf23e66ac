"""One agent per state directory: an advisory lock that the kernel drops with the process, kill -9 included."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.disk import DIRECTORY_MODE, FILE_MODE
from edge_agent.private import check_private
from edge_bundle.errors import ConflictError, InvalidInputError


@contextmanager
def exclusive(state_dir: Path) -> Iterator[None]:
    """Hold ``run/lock``.

    Raises ``ConflictError`` if another agent does, ``InvalidInputError`` for a directory that cannot be used, or that
    others may write to.
    """
    path = state_dir / "run" / "lock"
    try:
        state_dir.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        check_private(state_dir)
        path.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        got = error.strerror or str(error)
        raise InvalidInputError(file=str(state_dir), expected="a writable state directory", got=got) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            advice = "stop the other agent, or give this one a state_dir of its own"
            what = f"state directory {state_dir}"
            raise ConflictError(what=what, expected="no other agent", got="one that runs", advice=advice) from error
        yield
    finally:
        os.close(descriptor)
