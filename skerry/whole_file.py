"""Files that are there whole or not at all: no half a module under its name when the disk is full."""

from __future__ import annotations

import contextlib
import errno
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


def hold_writable(path: Path) -> None:
    """Hold, before long work, that its result can be written; raises ``OSError`` as ``write_whole`` would."""
    if not path.parent.is_dir():
        number = errno.ENOTDIR if path.parent.exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), str(path))


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
