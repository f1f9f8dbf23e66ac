"""Files that are there whole or not at all: no half a module under its name when the disk is full."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

MODE = 0o644


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, in place of one that is there only when all of it is on disk.

    What is no plain file (``/dev/stdout``) is written to as it is.

    Raises:
        OSError: with ``path`` as its file name.

    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _write_beside(path, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_beside(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        made.chmod(MODE)
        made.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            made.unlink()
        raise
